// Uploads: each file goes from the page to the service; where it stops it can be sent again to the same image.
// It is served behind console.js, as one script: what is not made here is made there.

const MOST_AT_ONCE = 2;
const PAUSES_S = [2, 8, 30];
const form = find("#upload"), fields = form.elements;
const uploads = [];
let guessed = "raw";

// ---------- the form ----------

const units = ["B", "kB", "MB", "GB", "TB"];
function size(bytes) {
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
  return `${unit && bytes < 100 ? bytes.toPrecision(3).replace(/\.?0+$/, "") : Math.round(bytes)} ${units[unit]}`;
}

// Format → where in a file of that format which bytes are.
const MAGIC = [
  ["qcow2", 0, "QFI\xfb"], ["vmdk", 0, "KDMV"], ["vmdk", 0, "# Disk DescriptorFile"], ["vdi", 64, "\x7f\x10\xda\xbe"],
  ["vhdx", 0, "vhdxfile"], ["vhd", 0, "conectix"], ["iso", 32769, "CD001"],
];
const COMPRESSED = ["\x1f\x8b", "\xfd7zXZ", "\x28\xb5\x2f\xfd"];

// [the format that the first bytes say, a doubt about it]
async function guess(file) {
  const head = new TextDecoder("latin1").decode(await file.slice(0, 40960).arrayBuffer());
  const known = MAGIC.find(([, at, bytes]) => head.startsWith(bytes, at));
  if (known) return [known[0], ""];
  if (COMPRESSED.some(bytes => head.startsWith(bytes))) return ["raw", "This looks like a compressed file. Unpack it first."];
  if (head.startsWith("U\xaa", 510)) return ["raw", ""];
  return ["raw", "Taken for raw, but nothing in it says that it is a disk. Choose the format if you know better."];
}

async function choose() {
  const file = form.file.files[0];
  if (!file) return;
  const [format, doubt] = await guess(file);
  guessed = format;
  describe(file.name, `${size(file.size)}, ${format}`, doubt);
  fields.name.value ||= file.name.replace(/\.(qcow2|raw|img|vmdk|vdi|vhdx?|iso)$/i, "");
}

function describe(name, about, doubt) {
  find("[data-chosen]", form).textContent = name;
  find("[data-about]", form).textContent = about;
  find("[data-doubt]", form).textContent = doubt;
}

// The data of an image that is there already: its facts stay as they are.
function hideFacts(areHidden) {
  for (const name of ["name", "format", "min_disk", "min_ram", "store"]) {
    fields[name]?.closest(".field").toggleAttribute("hidden", areHidden);
  }
}

function add() {
  const file = form.file.files[0];
  const card = find("#running").content.firstElementChild.cloneNode(true);
  const upload = {
    file, card, id: form.dataset.image, state: "waiting", tries: 0,
    expected: form.sum.value.trim().toLowerCase(),
    store: fields.store?.value,
    facts: {
      name: fields.name.value.trim() || file.name,
      disk_format: form.format.value || guessed,
      container_format: "bare",
      min_disk: Number(form.min_disk.value), min_ram: Number(form.min_ram.value),
    },
  };
  find("h2", card).textContent = upload.facts.name;
  find("progress", card).setAttribute("aria-label", `Upload of ${upload.facts.name}`);
  find("[data-act=cancel]", card).addEventListener("click", () => {
    upload.request?.abort();
    stop(upload, "It was cancelled.", false);
  });
  find("[data-act=sign-in]", card).addEventListener("click", event => askToSignIn(event.currentTarget));
  find("[data-act=again]", card).addEventListener("click", () => {
    upload.tries = 0;
    showState(upload, "waiting", "waiting", "accent");
    run();
  });
  find("#uploads").append(card);
  uploads.push(upload);
  form.reset();
  form.dataset.image = "";
  hideFacts(false);
  describe("Choose a file or drop it here", "", "");
  find("#upload-title").textContent = find("#upload-title").dataset.next;
  card.focus();
  run();
}

// ---------- one upload: waiting → running → done or stopped ----------

// `when` it may be tried again: "soon" by itself, "asked" by the user, "never".
class Failure extends Error {
  constructor(text, when) { super(text); this.when = when; }
}

const isRunning = upload => upload.state === "running";

function run() {
  for (const upload of uploads) {
    if (upload.state === "waiting" && uploads.filter(isRunning).length < MOST_AT_ONCE) start(upload);
  }
}

async function start(upload) {
  showState(upload, "running", "uploading", "accent");
  try {
    const image = await sendFile(upload);
    if (isRunning(upload)) finish(upload, image);
  } catch (failure) {
    if (!isRunning(upload)) return;
    const { message, when, isSignedOut } = failure instanceof Failure ? failure : explain(failure);
    if (when === "soon" && upload.tries < PAUSES_S.length) again(upload, message);
    else stop(upload, message, when !== "never", isSignedOut);
  }
}

// The image with its data. Throws Failure, or what `explain` takes.
async function sendFile(upload) {
  if (upload.id) {
    const { status } = await ask("GET", `/v2/images/${upload.id}`);
    if (status !== "active" && status !== "queued") {
      throw new Failure("The image still has the data of the last try.", "soon");
    }
    // Where it is active, the answer to the last try was lost.
    if (status === "queued") await put(upload);
  } else {
    upload.id = (await ask("POST", "/v2/images", upload.facts)).id;
    await put(upload);
  }
  return ask("GET", `/v2/images/${upload.id}`);
}

// Of a refusal, or of an exception where the service was not reached.
function explain({ status, text }) {
  if (!status) return { message: "The service cannot be reached.", when: "soon" };
  if (status === 401) return { message: "Your session has ended. Sign in, then try again.", when: "asked", isSignedOut: true };
  if (status === 404) return { message: "The image is gone: it was deleted meanwhile.", when: "never" };
  return { message: text, when: status === 503 ? "soon" : "asked" };
}

// By XMLHttpRequest, which alone tells how far it is.
function put(upload) {
  return new Promise((done, fail) => {
    if (!isRunning(upload)) return done();
    const request = upload.request = new XMLHttpRequest(), begun = performance.now();
    request.upload.addEventListener("progress", event => progress(upload, event.loaded, begun));
    request.addEventListener("load", () => {
      if (request.status === 204) return done();
      const { status, text } = refusal(request.status, request.response);
      fail({ status, text: `${text.replace(/\.?$/, ".")} The image stays without data; nothing else was changed.` });
    });
    request.addEventListener("error", () => {
      const sent = `${size(upload.done || 0)} of ${size(upload.file.size)}`;
      fail(new Failure(`The connection broke after ${sent}. The file is sent again from its start.`, "soon"));
    });
    request.open("PUT", `${root}/api/v2/images/${upload.id}/file`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-Transom-Project", project);
    request.setRequestHeader("X-Transom-User", user);
    if (upload.store) request.setRequestHeader("X-Image-Meta-Store", upload.store);
    request.send(upload.file);
  });
}

function progress(upload, done, begun) {
  upload.done = done;
  const total = upload.file.size || 1, part = done / total, passed = (performance.now() - begun) / 1000;
  find("progress", upload.card).value = part;
  find("[data-done]", upload.card).textContent = `${Math.floor(part * 100)} % · ${size(done)} of ${size(total)}`;
  if (passed < 1) return;
  const pace = done / passed, left = Math.ceil((total - done) / pace);
  const words = left < 90 ? `about ${left} seconds left` : `about ${Math.ceil(left / 60)} minutes left`;
  const isLate = left > Number(form.dataset.left);
  find("[data-pace]", upload.card).textContent = done === total ? "being checked"
    : `${size(pace)}/s · ${words}${isLate ? " · your session ends before that: use the command beside" : ""}`;
}

// A form without fields does nothing; where the session has ended it gets the question.
async function askToSignIn(opener) {
  const answer = await fetch(`${root}/account`, { method: "POST" });
  if (answer.status === 401) showSignIn(parse(await answer.text()), opener);
  else say("You are signed in. Try again.");
}

function again(upload, text) {
  const pause = PAUSES_S[upload.tries];
  upload.tries += 1;
  showState(upload, "running", `again in ${pause} s`, "wait", text);
  setTimeout(() => { if (isRunning(upload)) start(upload); }, pause * 1000);
}

function stop(upload, text, mayTry, isSignedOut = false) {
  showState(upload, "stopped", "stopped", "bad", text);
  find("[data-act=again]", upload.card).hidden = !mayTry;
  find("[data-act=sign-in]", upload.card).hidden = !isSignedOut;
  say(`Upload of ${upload.facts.name} stopped. ${text}`);
  run();
}

function finish(upload, image) {
  const { expected } = upload, computed = expected.length === 32 ? image.checksum : image.os_hash_value;
  find("progress", upload.card).value = 1;
  if (expected && expected.length !== computed?.length) {
    showState(upload, "done", "done, checksum not compared", "wait", `The service computes MD5 and ${image.os_hash_algo.toUpperCase()}, and what was expected is neither. It computed ${computed}.`);
  } else if (expected && expected !== computed) {
    showState(upload, "done", "checksum differs", "bad", `Expected ${expected}, and the service computed ${computed}. What arrived is not what you meant: delete it, or look where the difference comes from.`);
  } else {
    showState(upload, "done", expected ? "done, checksum as expected" : "done", "good", `${size(upload.file.size)} arrived.`);
  }
  say(`Upload of ${upload.facts.name}: ${find("[data-state]", upload.card).textContent}`);
  run();
}

function showState(upload, state, words, tone, text = "") {
  upload.state = state;
  const pill = find("[data-state]", upload.card), more = find("[data-text]", upload.card);
  pill.textContent = words;
  pill.className = `pill ${tone}`;
  more.textContent = text;
  more.hidden = !text;
  const act = name => find(`[data-act=${name}]`, upload.card);
  act("cancel").hidden = state !== "running" && state !== "waiting";
  act("again").hidden = act("sign-in").hidden = true;
  act("open").hidden = !upload.id || state === "running";
  act("delete").hidden = act("open").hidden || tone !== "bad";
  // Data that is not what was meant can be kept from everybody, too.
  act("deactivate").hidden = act("delete").hidden || state !== "done";
  act("open").href = `${root}/images/${upload.id}`;
  for (const name of ["deactivate", "delete"]) act(name).href = `${root}/images/${upload.id}/${name}`;
}

// While another upload runs: what was done is told here, and the page that it would lead to is not shown.
staysWith = next => {
  if (!uploads.some(isRunning)) return false;
  const note = find("main .note", next) || find("h1", next);
  say(note.textContent.trim());
  find("#uploads").prepend(note);
  return true;
};

// ---------- events ----------

form.addEventListener("submit", event => { event.preventDefault(); add(); });
form.file.addEventListener("change", choose);
for (const kind of ["dragover", "drop"]) find(".drop", form).addEventListener(kind, event => {
  event.preventDefault();
  if (kind !== "drop" || !event.dataTransfer.files.length) return;
  form.file.files = event.dataTransfer.files;
  choose();
});
addEventListener("beforeunload", event => { if (uploads.some(isRunning)) event.preventDefault(); });

form.hidden = false;
hideFacts(form.dataset.image !== "");
