// What makes the console quicker to use. All pages but the upload (upload.js) work without it.

const { root, project, user } = document.body.dataset;
const page = globalThis.trustedTypes
  ? trustedTypes.createPolicy("transom", { createHTML: text => text })
  : { createHTML: text => text };
// Of pages of the console alone: the server has escaped whatever people wrote.
const parse = text => new DOMParser().parseFromString(page.createHTML(text), "text/html");
const find = (selector, within = document) => within?.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function say(text) {
  find("#said").textContent = "";
  setTimeout(() => { find("#said").textContent = text; }, 50);
}

// An answer of the API that is an error.
const refusal = (status, body) =>
  ({ status, text: body?.detail || body?.message || `The service answered ${status}.` });

// The body of the API's answer. Throws a refusal.
async function ask(method, path, document) {
  const headers = { "X-Transom-Project": project, "X-Transom-User": user, Accept: "application/json" };
  if (document) headers["Content-Type"] = "application/json";
  const answer = await fetch(`${root}/api${path}`, { method, headers, body: document && JSON.stringify(document) });
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw refusal(answer.status, body);
  return body;
}

// ---------- pages that replace the middle of this one ----------

function show(next) {
  document.title = next.title;
  const menu = find(".nav.main"), newMenu = find(".nav.main", next);
  if (menu && newMenu) menu.replaceWith(newMenu);
  const main = find("main"), newMain = find("main", next);
  prepare(newMain);
  if (find(".offers", main) && find(".offers", newMain)) patch(main, newMain);
  else main.replaceWith(newMain);
  count();
  const note = find(".note[role=status]") || find("main [role=alert]");
  if (note) say(note.textContent.trim().replace(/\s+/g, " "));
}

// The element alone; of a text nothing.
const keyOf = part => part.cloneNode().outerHTML;

// Makes `old` what `next` is, of the same key, and leaves in place what is the same in both: to lay out a page of cards
// anew takes tens of milliseconds.
function patch(old, next) {
  if (old.isEqualNode(next)) return;
  if (!keyOf(next)) return old.replaceWith(next);
  let at = old.firstChild;
  const dropTo = end => { while (at !== end) { at = at.nextSibling; (at?.previousSibling || old.lastChild).remove(); } };
  for (const part of [...next.childNodes]) {
    const key = keyOf(part);
    let same = at;
    while (same && keyOf(same) !== key) same = key && same.nextSibling;
    if (same) {
      dropTo(same);
      at = same.nextSibling;
      patch(same, part);
    } else old.insertBefore(part, at);
  }
  dropTo(null);
}

// Whether the page stays as it is, and shows itself what came of a form.
let staysWith = () => false;

async function send(form, button) {
  const fields = new FormData(form, button);
  const target = button?.getAttribute("formaction") || form.getAttribute("action") || location.href;
  const begun = Date.now(), late = setTimeout(() => button?.setAttribute("aria-busy", "true"), 150);
  if (button) button.disabled = true;
  try {
    const answer = await fetch(target, { method: "POST", body: new URLSearchParams(fields) });
    const next = parse(await answer.text());
    if (answer.status === 401) return showSignIn(next, button);
    if (!find("#main", next)) return location.assign(answer.url);
    const place = all(".offer").indexOf(button?.closest(".offer"));
    const box = find("dialog");
    if (box) await leave(box);
    if (staysWith(next)) return;
    if (answer.redirected || answer.ok) history.replaceState(null, "", answer.url);
    show(next);
    const cards = all(".offer h2 a");
    const after = cards[Math.min(place, cards.length - 1)] || find(".tabs [aria-current]") || find("main");
    after.focus({ preventScroll: place >= 0 });
    shownSince = begun;
    catchUp();
  } catch {
    say("The service cannot be reached. Nothing is known to have changed.");
  } finally {
    clearTimeout(late);
    if (button) { button.disabled = false; button.removeAttribute("aria-busy"); }
  }
}

// In a dialog: the page stays as it is, and what was refused is sent again by its button.
const showSignIn = (answer, opener) => openDialog(find("main .card", answer).childNodes, "Your session has ended", opener);

async function signIn(form) {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const wrong = find("[role=alert]", form);
  if (answer.ok) {
    form.closest("dialog").close();
    say("You are signed in. Send it once more.");
  } else {
    wrong.textContent = find("[role=alert]", parse(await answer.text()))?.textContent || "";
    wrong.hidden = false;
  }
}

// ---------- dialogs ----------

// Over the page until it is closed, by Back as well: it has an entry in the history. The focus goes back to `opener`.
function openDialog(content, label, opener) {
  const box = document.createElement("dialog");
  box.className = "card";
  box.setAttribute("aria-label", label);
  box.append(...content);
  box.addEventListener("close", () => {
    box.remove();
    opener?.focus();
    if (shownDialogs() > all("dialog").length) history.back();
  });
  document.body.append(box);
  history.pushState({ dialogs: all("dialog").length }, "");
  prepare(box);
  find("[data-close]", box).hidden = false;
  // It gives the focus to what has `autofocus`, else to the first field.
  box.showModal();
}

// As many as the history's entry has.
const shownDialogs = () => history.state?.dialogs || 0;

addEventListener("popstate", () => {
  for (const box of all("dialog[open]").slice(shownDialogs())) box.close();
});

// Close it; done when its entry has been left.
const leave = box => new Promise(done => {
  addEventListener("popstate", done, { once: true });
  box.addEventListener("close", () => { if (!shownDialogs()) done(); });
  box.close();
});

// A part of another page; the whole of it where it is not to be had.
async function openPart(url, part, opener) {
  const answer = await fetch(url);
  const found = find(part, parse(await answer.text()));
  if (!answer.ok || answer.redirected || !found) return location.assign(url);
  openDialog(found.childNodes, find("h1, h2", found).textContent, opener);
}

function openQuestion(link) {
  // A menu that led here is shut by now: the focus goes back to what opens it.
  const menu = link.closest("details.more");
  if (menu) menu.open = false;
  openPart(link.href, "#dialog", menu ? find("summary", menu) : link);
}

// ---------- the inbox ----------

function count() {
  const boxes = all(".offers input[name=id]");
  const chosen = boxes.filter(box => box.checked).length;
  for (const label of all("[data-selected]")) label.textContent = `${chosen} selected`;
  for (const button of all(".bulk [data-word]")) button.textContent = `${button.dataset.word} ${chosen}`;
}

const keys = {
  j: () => step(1), k: () => step(-1),
  a: card => find("[data-accept]", card)?.click(), r: card => find("[data-reject]", card)?.click(),
  x: card => find("input[type=checkbox]", card)?.click(),
  u: () => find("[data-undo]")?.click(),
  "/": () => find("input[type=search]")?.focus(),
  "?": () => openPart(`${root}/account`, "#keys"),
};

function step(by) {
  const cards = all(".offer");
  const here = cards.indexOf(document.activeElement.closest(".offer"));
  const next = cards[Math.max(0, Math.min(cards.length - 1, here + by))];
  find("h2 a", next)?.focus();
}

// ---------- the number beside the inbox, as it changes ----------

// One tab asks for all: it holds the lock. None asks while nobody looks or works.
const QUIET_MS = 30 * 60_000;
// What all tabs of the project know. `cursor`: of the last event that was read; `waiting`: as it was counted at `at`.
const shelf = `transom-inbox-${project}`;
const known = () => JSON.parse(localStorage.getItem(shelf) || "{}");
const keep = news => localStorage.setItem(shelf, JSON.stringify(news));
// When what this tab shows was asked for: what was counted later may be newer.
let shownSince = Date.now() - performance.now();
let touched = Date.now(), isRefused = false;
const isWatched = () => !document.hidden && Date.now() - touched < QUIET_MS;

function catchUp() {
  const { waiting, at } = known();
  if (at > shownSince) showWaiting(waiting);
}

async function live() {
  while (!isRefused) await (isWatched() ? navigator.locks.request(shelf, follow) : sleep(1_000));
}

async function follow() {
  let pause = 2_000;
  while (isWatched()) {
    try {
      await readOn();
      pause = 2_000;
    } catch ({ status }) {
      isRefused = status === 401 || status === 403 || status === 409;
      if (isRefused) return;
      if (status === 400 || status === 410) keep({});
      await sleep(pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, 300_000);
    }
  }
}

async function readOn() {
  const { cursor } = known();
  const page = cursor && await ask("GET", `/share/v1/events?limit=1&wait=25&after=${cursor}`);
  if (page && !page.events.length) return keep({ ...known(), cursor: page.cursor });
  // Offers are answered one after the other: what follows soon is counted with it.
  await sleep(300);
  // First where the events end, then what waits: of what happens in between one is told again.
  const { cursor: newest } = await ask("GET", "/share/v1/events?order=desc&limit=1");
  const { images, families } = await ask("GET", "/share/v1/inbox/summary");
  keep({ cursor: newest, waiting: images.pending + families.pending, at: Date.now() });
  catchUp();
}

const sleep = ms => new Promise(done => { setTimeout(done, ms); });

function showWaiting(waiting) {
  const badge = find("[data-waiting]"), news = find("[data-news]"), was = Number(badge.dataset.waiting);
  if (waiting === was) return;
  badge.dataset.waiting = waiting;
  badge.hidden = !waiting;
  badge.firstChild.data = waiting > 1000 ? "1000+" : waiting.toLocaleString("en");
  if (waiting > was) say(`${waiting - was} new in the inbox.`);
  if (!news) return;
  const more = waiting - news.dataset.news;
  news.hidden = more <= 0;
  find("span", news).textContent = `${more} new.`;
}

if (find("[data-waiting]") && navigator.locks) {
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  addEventListener("storage", event => { if (event.key === shelf) catchUp(); });
  // Also of a page that the browser kept and shows again.
  addEventListener("pageshow", catchUp);
  live();
}

// ---------- events ----------

document.addEventListener("submit", event => {
  const form = event.target;
  if (form.method !== "post") return;
  const isSignIn = form.action.endsWith("/login") && form.closest("dialog");
  if (/\/(project|logout|login)$/.test(form.getAttribute("action") || "") && !isSignIn) return;
  event.preventDefault();
  if (isSignIn) return signIn(form);
  send(form, event.submitter);
});

document.addEventListener("click", event => {
  const target = event.target.closest("[data-dialog], [data-close], [data-copy], [data-choose]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const box = target.closest("dialog"), { dialog, close, copy, choose } = target.dataset;
  if (dialog !== undefined || close !== undefined && box) event.preventDefault();
  if (dialog !== undefined) openQuestion(target);
  if (close !== undefined) box?.close();
  if (copy !== undefined) {
    const source = copy ? find(copy) : find("code", target.parentElement);
    navigator.clipboard.writeText(source.textContent.trim()).then(() => say("Copied"));
  }
  if (choose !== undefined) {
    for (const box of all(".offers input[name=id]")) box.checked = choose === "all";
    count();
  }
});

document.addEventListener("change", event => { if (event.target.name === "id") count(); });

document.addEventListener("keydown", event => {
  if (event.key === "Escape") for (const menu of all("details.more[open], details.switch[open]")) {
    menu.open = false;
    if (menu.contains(document.activeElement)) find("summary", menu).focus();
  }
  const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
  if (!("keys" in document.body.dataset) || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key](document.activeElement.closest(".offer"));
});

// A menu closes when something else is pointed at.
document.addEventListener("pointerdown", event => {
  for (const menu of all("details.more[open], details.switch[open]")) if (!menu.contains(event.target)) menu.open = false;
});

function prepare(within = document) {
  for (const button of all("[data-copy]", within)) button.hidden = !navigator.clipboard;
  for (const part of all("[data-script]", within)) part.hidden = false;
  for (const time of all("time", within)) time.title += ` · ${new Date(time.dateTime).toLocaleString()}`;
  count();
}

prepare();
