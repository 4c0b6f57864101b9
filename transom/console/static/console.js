// What makes the console quicker to use. All pages but the upload work without it.
"use strict";

const root = document.body.dataset.root;
const project = document.body.dataset.project;
const page = globalThis.trustedTypes
  ? trustedTypes.createPolicy("transom", { createHTML: text => text })
  : { createHTML: text => text };
// Of pages of the console alone: the server has escaped whatever people wrote.
const parse = text => new DOMParser().parseFromString(page.createHTML(text), "text/html");
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function say(text) {
  find("#said").textContent = "";
  setTimeout(() => { find("#said").textContent = text; }, 50);
}

// ---------- pages that replace the middle of this one ----------

function show(next, focus) {
  document.title = next.title;
  const menu = find(".nav.main"), newMenu = find(".nav.main", next);
  if (menu && newMenu) menu.replaceWith(newMenu);
  find("main").replaceWith(find("main", next));
  prepare();
  focus();
  const note = find(".note[role=status]") || find("main [role=alert]");
  if (note) say(note.textContent.trim().replace(/\s+/g, " "));
}

async function send(form, button) {
  const fields = new FormData(form, button);
  const target = button?.getAttribute("formaction") || form.getAttribute("action") || location.href;
  const begun = Date.now(), late = setTimeout(() => button?.setAttribute("aria-busy", "true"), 150);
  if (button) button.disabled = true;
  try {
    const answer = await fetch(target, { method: "POST", body: new URLSearchParams(fields) });
    const next = parse(await answer.text());
    if (answer.status === 401) return askToSignIn(next);
    if (!find("#main", next)) return location.assign(answer.url);
    const card = button?.closest(".offer");
    const place = card ? all(".offer").indexOf(card) : -1;
    closeDialog();
    if (answer.redirected || answer.ok) history.replaceState(null, "", answer.url);
    show(next, () => {
      const cards = all(".offer h2 a");
      const after = place >= 0 ? cards[Math.min(place, cards.length - 1)] : null;
      (after || find(".tabs [aria-current]") || find("main")).focus({ preventScroll: place >= 0 });
    });
    shownSince = begun;
    catchUp();
  } catch {
    say("The service cannot be reached. Nothing is known to have changed.");
  } finally {
    clearTimeout(late);
    if (button) { button.disabled = false; button.removeAttribute("aria-busy"); }
  }
}

function askToSignIn(next) {
  const box = document.createElement("dialog");
  box.append(...find("main", next).childNodes);
  box.setAttribute("aria-label", "Your session has ended");
  const close = document.createElement("button");
  close.className = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => box.close());
  find(".actions", box).append(close);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}

// ---------- questions ----------

async function ask(link) {
  const answer = await fetch(link.href);
  const question = find("#dialog", parse(await answer.text()));
  if (!answer.ok || answer.redirected || !question) return location.assign(link.href);
  const box = document.createElement("dialog");
  box.id = "question";
  box.setAttribute("aria-labelledby", "dialog-title");
  box.append(...question.childNodes);
  // A menu that led here is shut by now: the focus goes back to what opens it.
  const menu = link.closest("details.more");
  if (menu) menu.open = false;
  box.addEventListener("close", () => { box.remove(); (menu ? find("summary", menu) : link).focus(); });
  document.body.append(box);
  prepare(box);
  box.showModal();
  find("[data-close]", box)?.focus();
}

function closeDialog() { find("#question")?.close(); }

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
  "/": () => (find("[data-search]") || find("input[type=search]"))?.focus(),
  "?": () => explainKeys(),
};

function step(by) {
  const cards = all(".offer");
  const here = cards.indexOf(document.activeElement.closest(".offer"));
  const next = cards[Math.max(0, Math.min(cards.length - 1, here + by))];
  find("h2 a", next)?.focus();
}

function explainKeys() {
  const rows = [["j, k", "next, previous offer"], ["a, r", "accept, reject it"], ["x", "select it"], ["u", "undo"], ["/", "search"]];
  const box = document.createElement("dialog");
  box.setAttribute("aria-label", "Keys");
  const list = document.createElement("dl");
  list.className = "facts pad";
  for (const [key, text] of rows) {
    const term = document.createElement("dt"), words = document.createElement("dd");
    term.textContent = key; words.textContent = text;
    list.append(term, words);
  }
  box.append(list);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
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

async function read(path) {
  const answer = await api("GET", path);
  if (!answer.ok) throw answer.status;
  return answer.json();
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
    } catch (status) {
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
  const page = cursor && await read(`/share/v1/events?limit=1&wait=25&after=${cursor}`);
  if (page && !page.events.length) return keep({ ...known(), cursor: page.cursor });
  // First where the events end, then what waits: of what happens in between one is told again.
  const { cursor: newest } = await read("/share/v1/events?order=desc&limit=1");
  const { images, families } = await read("/share/v1/inbox/summary");
  keep({ cursor: newest, waiting: images.pending + families.pending, at: Date.now() });
  catchUp();
}

const sleep = ms => new Promise(done => { setTimeout(done, ms); });

function showWaiting(waiting) {
  const link = find("[data-badge]"), was = Number(link?.dataset.badge || 0);
  if (!link || waiting === was) return;
  link.dataset.badge = waiting;
  find(".count", link)?.remove();
  if (waiting) {
    const badge = document.createElement("span"), word = document.createElement("span");
    badge.className = "count hot"; word.className = "sr";
    badge.textContent = waiting > 1000 ? "1000+" : waiting.toLocaleString("en"); word.textContent = " waiting";
    badge.append(word); link.append(badge);
  }
  const news = find("[data-news]");
  if (waiting > was) say(`${waiting - was} new in the inbox.`);
  if (!news) return;
  news.hidden = waiting <= Number(news.dataset.news);
  find("span", news).textContent = `${waiting - Number(news.dataset.news)} new.`;
}

if (project && find("[data-badge]") && navigator.locks) {
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  addEventListener("storage", event => { if (event.key === shelf) catchUp(); });
  // Also of a page that the browser kept and shows again.
  addEventListener("pageshow", catchUp);
  live();
}

// ---------- events ----------

document.addEventListener("submit", event => {
  const form = event.target;
  if (form.id === "upload") { event.preventDefault(); return addUpload(form); }
  if (form.method !== "post" || form.dataset.whole !== undefined || !find("#main")) return;
  if (/\/(project|logout|login)$/.test(form.getAttribute("action") || "")) return;
  event.preventDefault();
  send(form, event.submitter);
});

document.addEventListener("click", event => {
  const target = event.target.closest("[data-dialog], [data-close], [data-copy], [data-all], [data-reset]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if ("dialog" in target.dataset) { event.preventDefault(); ask(target); }
  if ("close" in target.dataset && target.closest("dialog")) { event.preventDefault(); target.closest("dialog").close(); }
  if ("copy" in target.dataset) {
    const source = target.dataset.copy ? find(target.dataset.copy) : find("code", target.parentElement);
    navigator.clipboard?.writeText(source.textContent.trim()).then(() => say("Copied"));
  }
  if ("all" in target.dataset) { for (const box of all(".offers input[name=id]")) box.checked = true; count(); }
  if ("reset" in target.dataset) { for (const box of all(".offers input[name=id]")) box.checked = false; count(); }
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
  if (find("#upload")) prepareUpload(find("#upload"));
}

// ---------- upload ----------

const units = ["B", "kB", "MB", "GB", "TB"];
function size(bytes) {
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
  return `${unit && bytes < 100 ? bytes.toPrecision(3).replace(/\.?0+$/, "") : Math.round(bytes)} ${units[unit]}`;
}

// What the first bytes of a file say; of the others only that they are not these.
async function guess(file) {
  const head = new Uint8Array(await file.slice(0, 40960).arrayBuffer());
  const text = (from, length) => String.fromCharCode(...head.slice(from, from + length));
  if (text(0, 4) === "QFI\xfb") return ["qcow2", ""];
  if (text(0, 4) === "KDMV" || text(0, 21) === "# Disk DescriptorFile") return ["vmdk", ""];
  if (text(64, 4) === "\x7f\x10\xda\xbe") return ["vdi", ""];
  if (text(0, 8) === "vhdxfile") return ["vhdx", ""];
  if (text(0, 8) === "conectix") return ["vhd", ""];
  if (text(32769, 5) === "CD001") return ["iso", ""];
  if (text(0, 2) === "\x1f\x8b" || text(0, 5) === "\xfd7zXZ" || text(0, 4) === "\x28\xb5\x2f\xfd") {
    return ["raw", "This looks like a compressed file. Unpack it first."];
  }
  const isBootable = head[510] === 0x55 && head[511] === 0xaa;
  return ["raw", isBootable ? "" : "Taken for raw, but nothing in it says that it is a disk. Choose the format if you know better."];
}

function prepareUpload(form) {
  if (!form.hidden) return;
  form.hidden = false;
  const drop = find(".drop", form);
  form.file.addEventListener("change", () => choose(form));
  for (const kind of ["dragover", "drop"]) drop.addEventListener(kind, event => {
    event.preventDefault();
    if (kind === "drop" && event.dataTransfer.files.length) { form.file.files = event.dataTransfer.files; choose(form); }
  });
  for (const field of ["name", "format", "min_disk", "min_ram", "store"]) {
    // The data of an image that is there already: its facts stay as they are.
    if (form.dataset.image && form.elements[field]) form.elements[field].closest(".field").hidden = true;
  }
}

async function choose(form) {
  const file = form.file.files[0];
  if (!file) return;
  find("[data-chosen]", form).textContent = file.name;
  const [format, doubt] = await guess(file);
  form.dataset.guess = format;
  find("[data-about]", form).textContent = `${size(file.size)}, ${format}`;
  find("[data-doubt]", form).textContent = doubt;
  if (!form.elements.name.value) form.elements.name.value = file.name.replace(/\.(qcow2|raw|img|vmdk|vdi|vhdx?|iso)$/i, "");
}

const uploads = [];
const MOST_AT_ONCE = 2;
const PAUSES_S = [2, 8, 30];

function addUpload(form) {
  const file = form.file.files[0];
  const card = find("#running").content.firstElementChild.cloneNode(true);
  const upload = {
    file, card, id: form.dataset.image || "", state: "waiting", tries: 0,
    expected: form.sum.value.trim().toLowerCase(),
    store: form.elements.store?.value || "",
    facts: {
      name: form.elements.name.value.trim() || file.name,
      disk_format: form.format.value || form.dataset.guess || "raw",
      container_format: "bare",
      min_disk: Number(form.min_disk.value) || 0, min_ram: Number(form.min_ram.value) || 0,
    },
  };
  find("h2", card).textContent = upload.facts.name;
  find("progress", card).setAttribute("aria-label", `Upload of ${upload.facts.name}`);
  find("[data-act=cancel]", card).addEventListener("click", () => { upload.request?.abort(); stop(upload, "It was cancelled.", false); });
  find("[data-act=again]", card).addEventListener("click", () => { upload.tries = 0; upload.state = "waiting"; paint(upload, "waiting", "accent"); run(); });
  find("#uploads").append(card);
  uploads.push(upload);
  form.reset();
  form.dataset.image = "";
  for (const field of all(".field[hidden]", form)) field.hidden = false;
  find("[data-chosen]", form).textContent = "Choose a file or drop it here";
  find("[data-about]", form).textContent = "";
  find("[data-doubt]", form).textContent = "";
  find("#upload-title").textContent = find("#upload-title").dataset.next;
  card.focus();
  run();
}

const isBusy = upload => upload.state === "running";
addEventListener("beforeunload", event => { if (uploads.some(isBusy)) event.preventDefault(); });

function run() {
  for (const upload of uploads) {
    if (upload.state === "waiting" && uploads.filter(isBusy).length < MOST_AT_ONCE) start(upload);
  }
}

function api(method, path, document) {
  const headers = { "X-Transom-Project": project, Accept: "application/json" };
  if (document) headers["Content-Type"] = "application/json";
  return fetch(`${root}/api${path}`, { method, headers, body: document && JSON.stringify(document) });
}

async function reason(answer) {
  const body = await answer.json().catch(() => ({}));
  return body.detail || body.message || `The service answered ${answer.status}.`;
}

async function start(upload) {
  upload.state = "running";
  paint(upload, "uploading", "accent");
  try {
    if (!upload.id) {
      const made = await api("POST", "/v2/images", upload.facts);
      if (made.status === 401) return stop(upload, "Your session has ended. Sign in again in another tab, then try again.", true);
      if (!made.ok) return stop(upload, await reason(made), made.status === 503);
      upload.id = (await made.json()).id;
    } else {
      const there = await api("GET", `/v2/images/${upload.id}`);
      if (there.status === 401) return stop(upload, "Your session has ended. Sign in again in another tab, then try again.", true);
      if (!there.ok) return stop(upload, "The image is gone: it was deleted meanwhile.", false);
      const image = await there.json();
      if (image.status === "active") return finish(upload, image);
      if (image.status !== "queued") return later(upload, "The image still has the data of the last try.");
    }
    put(upload);
  } catch {
    later(upload, "The service cannot be reached.");
  }
}

function put(upload) {
  const request = new XMLHttpRequest();
  upload.request = request;
  const begun = performance.now();
  request.upload.addEventListener("progress", event => progress(upload, event.loaded, begun));
  request.addEventListener("load", async () => {
    if (request.status === 204) {
      const there = await api("GET", `/v2/images/${upload.id}`).catch(() => null);
      return finish(upload, there?.ok ? await there.json() : null);
    }
    let text = `The service answered ${request.status}.`;
    try { const body = JSON.parse(request.responseText); text = body.detail || body.message || text; } catch { /* no JSON */ }
    if (request.status === 401) return stop(upload, "Your session has ended. Sign in again in another tab, then try again.", true);
    if (request.status === 503) return later(upload, text);
    stop(upload, `${text} The image stays without data; nothing else was changed.`, true);
  });
  request.addEventListener("error", () => later(upload, `The connection broke after ${size(upload.done || 0)} of ${size(upload.file.size)}. The file is sent again from its start.`));
  request.open("PUT", `${root}/api/v2/images/${upload.id}/file`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-Transom-Project", project);
  if (upload.store) request.setRequestHeader("X-Image-Meta-Store", upload.store);
  request.send(upload.file);
}

function progress(upload, done, begun) {
  upload.done = done;
  const total = upload.file.size || 1, part = done / total, passed = (performance.now() - begun) / 1000;
  find("progress", upload.card).value = part;
  find("[data-done]", upload.card).textContent = `${Math.floor(part * 100)} % · ${size(done)} of ${size(total)}`;
  if (passed < 1) return;
  const pace = done / passed, left = Math.ceil((total - done) / pace);
  const words = left < 90 ? `about ${left} seconds left` : `about ${Math.ceil(left / 60)} minutes left`;
  find("[data-pace]", upload.card).textContent = done < total ? `${size(pace)}/s · ${words}` : "being checked";
  if (left > Number(find("#upload").dataset.left)) find("[data-pace]", upload.card).textContent += " · your session ends before that: use the command beside";
}

function later(upload, text) {
  if (upload.tries >= PAUSES_S.length) return stop(upload, text, true);
  const pause = PAUSES_S[upload.tries];
  upload.tries += 1;
  paint(upload, `again in ${pause} s`, "wait", text);
  setTimeout(() => { if (upload.state === "running") start(upload); }, pause * 1000);
}

function stop(upload, text, mayTry) {
  upload.state = "stopped";
  paint(upload, "stopped", "bad", text);
  find("[data-act=again]", upload.card).hidden = !mayTry;
  say(`Upload of ${upload.facts.name} stopped. ${text}`);
  run();
}

function finish(upload, image) {
  upload.state = "done";
  const wanted = upload.expected;
  const sums = image ? [image.os_hash_value, image.checksum] : [];
  find("progress", upload.card).value = 1;
  if (wanted && image && !sums.includes(wanted)) {
    paint(upload, "checksum differs", "bad", `Expected ${wanted}, and the service computed ${wanted.length === 32 ? image.checksum : image.os_hash_value}. What arrived is not what you meant: delete it, or look where the difference comes from.`);
  } else {
    paint(upload, wanted && image ? "done, checksum as expected" : "done", "good", `${size(upload.file.size)} arrived.`);
  }
  say(`Upload of ${upload.facts.name}: ${find("[data-state]", upload.card).textContent}`);
  run();
}

function paint(upload, state, tone, text = "") {
  const pill = find("[data-state]", upload.card), words = find("[data-text]", upload.card);
  pill.textContent = state;
  pill.className = `pill ${tone}`;
  words.textContent = text;
  words.hidden = !text;
  const act = name => find(`[data-act=${name}]`, upload.card);
  act("cancel").hidden = upload.state !== "running" && upload.state !== "waiting";
  act("again").hidden = true;
  act("open").hidden = !upload.id || upload.state === "running";
  act("delete").hidden = act("open").hidden || tone !== "bad";
  act("open").href = `${root}/images/${upload.id}`;
  act("delete").href = `${root}/images/${upload.id}/delete`;
}

prepare();
