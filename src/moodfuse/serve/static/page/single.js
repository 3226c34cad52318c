// One post: images, a text or both in, the answer and its reasons out, by POST /v1/explain.
import { drawHeat } from "./heat.js";
import { bars, listed, part, words } from "./reasons.js";
import { failure, labelName, make, percent, t } from "./words.js";

const byId = (id) => document.getElementById(id);

export function startSingle(model) {
  let images = []; // Files, which stay in the browser and are sent with each request
  let urls = []; // their object URLs
  let found = null; // the last explanation, how many images it is of, and the object URL of the first
  let error = () => "";

  function setImages(files) {
    urls.filter((url) => url !== found?.url).forEach((url) => URL.revokeObjectURL(url));
    images = [...files];
    urls = images.map((file) => URL.createObjectURL(file));
    byId("mf-previews").replaceChildren(...images.map((file, at) => make("img", { src: urls[at], alt: file.name })));
    byId("mf-previews").hidden = byId("mf-remove").hidden = !images.length;
    byId("mf-remove").dataset.t = images.length > 1 ? "removeAll" : "remove";
    byId("mf-remove").textContent = t(byId("mf-remove").dataset.t);
    byId("mf-empty").hidden = images.length > 0;
  }

  function say(message) {
    error = message;
    byId("mf-error").textContent = message();
    byId("mf-error").hidden = !message();
  }

  async function send() {
    const text = byId("mf-text").value;
    if (!images.length && !text.trim()) {
      say(() => t("nothing"));
      byId("mf-text").focus();
      return;
    }
    say(() => "");
    const form = new FormData();
    if (text.trim()) form.append("text", text);
    images.forEach((image) => form.append("image", image));
    const button = byId("mf-go");
    button.disabled = true;
    button.textContent = t("working");
    byId("mf-answer").setAttribute("aria-busy", "true");
    const sent = { url: urls[0], images: images.length };
    try {
      const response = await fetch("/v1/explain", { method: "POST", body: form });
      if (!response.ok) {
        const message = await failure(response);
        found = null;
        say(() => message);
      } else {
        found = { ...(await response.json()), ...sent };
      }
    } catch {
      found = null;
      say(() => t("errors.0"));
    }
    button.disabled = false;
    byId("mf-answer").removeAttribute("aria-busy");
    redraw();
    if (found) byId("mf-answer").focus();
  }

  function redraw() {
    byId("mf-go").textContent = t("go");
    if (!byId("mf-error").hidden) say(error);
    byId("mf-answer").hidden = !found;
    if (found) byId("mf-answer").replaceChildren(...answer(found, model));
  }

  byId("mf-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("mf-form").addEventListener("reset", () => {
    setImages([]);
    found = null;
    say(() => "");
    redraw();
  });
  byId("mf-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  byId("mf-image").addEventListener("change", (event) => {
    if (event.target.files.length) setImages(event.target.files);
  });
  byId("mf-remove").addEventListener("click", () => {
    byId("mf-image").value = "";
    setImages([]);
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files || [])].filter((one) => one.type.startsWith("image/"));
    if (pasted.length && byId("mf-single").offsetParent) setImages(pasted);
  });
  const drop = byId("mf-drop");
  drop.addEventListener("dragover", () => drop.classList.add("mf-over"));
  ["dragleave", "drop"].forEach((name) => drop.addEventListener(name, () => drop.classList.remove("mf-over")));
  return redraw;
}

function answer(found, model) {
  const label = labelName(found.label);
  const notes = found.status.filter((status) => status !== "ok").map((status) => t(`status.${status}`));
  return [
    make("h2", {}, `${t("answer")}: `, make("b", { class: `mf-ink-${found.label}` }, label)),
    make("div", { class: "mf-bars" }, ...bars(found.probabilities, found.label)),
    found.needs_review
      ? make("p", { class: "mf-review" }, make("b", {}, t("byHand")), " ", found.confidence < model.threshold
        ? t("byHandWhy", { confidence: percent(found.confidence), threshold: percent(model.threshold) })
        : t("byHandUnread"))
      : null,
    notes.length ? make("p", { class: "mf-muted" }, notes.join(" · ")) : null,
    make("h3", {}, t("said")),
    make("div", { class: "mf-parts" }, ...model.modalities.map((modality) => part(modality, found))),
    make("p", { class: "mf-muted" }, t("prior", { values: listed(found.prior) })),
    ...(found.words.length ? words(found) : []),
    ...(found.regions && found.url ? drawHeat(found) : []),
  ].filter(Boolean);
}
