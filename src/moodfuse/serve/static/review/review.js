// The review: which post is shown, what each key does, and how far it is.
import { applyWords, failure, labelName, language, make, setLanguage } from "/page/words.js";
import { drawPost, drawReasons, drawYours, sayStanding } from "./post.js";
import { ask, forget, hasKey, loadPost } from "./service.js";
import { t } from "./words.js";

const byId = (id) => document.getElementById(id);
const PAUSE = 250; // milliseconds that a post is looked at before it is asked why

let session = null;
let at = 0; // the place of the post that is shown; after the last one the end is
let saved = Promise.resolve(); // when everything is kept that was sent
let answering = false; // an answer is being kept: the next post is not there yet, and no key is meant for it
let reasons = null; // the request for the reasons of the post that is shown

function say(message) {
  byId("rv-error").textContent = message;
  byId("rv-error").hidden = !message;
}

async function saying(work) {
  try {
    await work();
  } catch (error) {
    say(error instanceof Response ? await failure(error) : t("stopped"));
  }
}

function shown() {
  return session.posts[at];
}

async function show(place) {
  at = Math.max(0, Math.min(place, session.posts.length));
  reasons?.abort();
  drawStanding();
  const row = shown()?.row;
  byId("rv-main").hidden = row === undefined;
  byId("rv-end").hidden = row !== undefined;
  if (row === undefined) {
    drawEnd();
    return;
  }
  const post = await loadPost(row);
  if (shown()?.row !== row) return; // gone on meanwhile
  drawPost(post, at + 1, session.posts.length);
  window.scrollTo(0, 0);
  if (at + 1 < session.posts.length) loadPost(session.posts[at + 1].row).catch(() => {});
  if (post.model) explain(post);
}

async function explain(post) {
  if (!session.explains) {
    drawReasons(post, null);
    return;
  }
  const request = new AbortController();
  reasons = request;
  drawReasons(post, post.reasons);
  try {
    if (!post.reasons) {
      await new Promise((done) => setTimeout(done, PAUSE));
      if (request.signal.aborted) return;
      const response = await ask(`/v1/posts/${post.row}/why`, { signal: request.signal });
      if (!response.ok) throw response;
      post.reasons = await response.json();
    }
    if (!request.signal.aborted) drawReasons(post, post.reasons);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

// Send a key, behind those that are on their way, and wait until it is kept.
function keep(path, body) {
  const sent = saved.then(() => send(path, body));
  saved = sent.catch(() => {});
  return sent;
}

async function send(path, body) {
  const response = await ask(path, { method: "POST", body });
  if (!response.ok) throw response;
  const kept = await response.json();
  session.standing = kept.standing;
  say("");
  if (kept.row !== null) {
    forget(kept.row);
    const found = session.posts.find((post) => post.row === kept.row);
    if (found) found.said = kept.said;
  }
  return kept;
}

async function answer(kind, body) {
  const row = shown()?.row;
  if (row === undefined || answering) return;
  answering = true;
  try {
    const kept = await keep(`/v1/posts/${row}/${kind}`, body);
    drawYours(kept.said);
    const open = session.posts.map((post, place) => (post.said === null ? place : -1)).filter((place) => place >= 0);
    await show(open.find((place) => place > at) ?? open[0] ?? session.posts.length);
  } finally {
    answering = false;
  }
}

async function undo() {
  const kept = await keep("/v1/undo");
  if (kept.row === null) say(t("undone"));
  else {
    const place = session.posts.findIndex((post) => post.row === kept.row);
    await show(place < 0 ? at : place);
  }
}

async function keepNote() {
  const row = shown()?.row;
  if (row === undefined) return;
  const post = await loadPost(row);
  const note = byId("rv-note").value;
  if (note.trim() !== post.note) await keep(`/v1/posts/${row}/note`, { note });
}

function drawStanding() {
  const now = session.standing;
  byId("rv-bar").max = now.total || 1;
  byId("rv-bar").value = now.done + now.skipped;
  const skipped = now.skipped ? ` · ${t("skipped", { n: now.skipped })}` : "";
  byId("rv-done").textContent = t("done", { done: now.done, total: now.total }) + skipped;
  byId("rv-side").replaceChildren(...sayStanding(now).map((line) => make("p", {}, line)));
}

function drawEnd() {
  const now = session.standing;
  const lines = [t("export")];
  if (now.skipped) lines.unshift(t("finishedSkipped", { n: now.skipped }));
  const title = t(now.total ? "finished" : "nothingHere");
  const back = (key, name, work) => {
    const button = make("button", { type: "button", class: "mf-button" }, make("kbd", {}, key), ` ${t(name)}`);
    button.addEventListener("click", () => saying(work));
    return button;
  };
  const keys = session.posts.length ? [back("←", "earlier", () => show(at - 1)), back("u", "undo", undo)] : [];
  byId("rv-end").replaceChildren(
    make("h2", {}, title), ...lines.map((line) => make("p", {}, line)), make("p", { class: "mf-row" }, ...keys));
  byId("rv-end").focus();
}

function drawLabels() {
  byId("rv-labels").replaceChildren(...session.labels.map((label, place) => {
    const key = String(place + 1);
    const name = make("span", {}, labelName(label));
    const button = make("button", { type: "button", class: `mf-button rv-label rv-${label}`, "aria-keyshortcuts": key },
      place < 9 ? make("kbd", {}, key) : null, " ", name);
    button.dataset.label = label;
    button.addEventListener("click", () => saying(() => answer("label", { label })));
    return button;
  }));
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !session) return;
  if (event.target === byId("rv-note")) {
    onNoteKey(event);
    return;
  }
  if (event.target.matches?.("select, input")) return;
  const label = session.labels[Number(event.key) - 1];
  const work = {
    ArrowLeft: () => show(at - 1), ArrowRight: () => show(at + 1), s: () => answer("skip"), u: undo,
    n: async () => byId("rv-note").focus(),
  }[event.key] ?? (label === undefined ? null : () => answer("label", { label }));
  if (!work) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) saying(work); // a key that is held down labels one post
}

function onNoteKey(event) {
  if (event.key === "Escape") loadPost(shown().row).then((post) => { byId("rv-note").value = post.note; });
  if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
    event.preventDefault();
    if (event.key === "Enter") byId("rv-note").blur();
    else loadPost(shown().row).then(() => byId("rv-note").blur());
  }
}

async function redraw() {
  document.documentElement.lang = language();
  applyWords(document);
  if (!session) return;
  drawLabels();
  await show(at);
}

async function start() {
  if (!hasKey) {
    say(t("noKey"));
    return;
  }
  const response = await ask("/v1/review");
  if (!response.ok) throw response;
  session = await response.json();
  byId("rv-person").textContent = session.person;
  const first = session.posts.findIndex((post) => post.said === null);
  at = first < 0 ? session.posts.length : first;
  await redraw();
}

document.addEventListener("keydown", onKey);
byId("rv-before").addEventListener("click", () => saying(() => show(at - 1)));
byId("rv-after").addEventListener("click", () => saying(() => show(at + 1)));
byId("rv-skip").addEventListener("click", () => saying(() => answer("skip")));
byId("rv-undo").addEventListener("click", () => saying(undo));
byId("rv-note").addEventListener("change", () => saying(keepNote));
const select = byId("mf-language");
select.value = language();
select.addEventListener("change", () => {
  setLanguage(select.value);
  saying(redraw);
});
document.documentElement.lang = language();
applyWords(document);
saying(start);
