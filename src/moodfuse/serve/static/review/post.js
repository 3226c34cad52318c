// One post as it is shown: its images and text, the person's own label and note, what the model says and why.
import { drawHeat } from "/page/heat.js";
import { bars, part, words } from "/page/reasons.js";
import { labelName, make, t as pageWord } from "/page/words.js";
import { t } from "./words.js";

const byId = (id) => document.getElementById(id);

export function drawPost(post, place, total) {
  byId("rv-place").textContent = t("placeOf", { place, total });
  byId("rv-id").textContent = post.id;
  byId("rv-images").replaceChildren(...post.urls.filter(Boolean).map((url, at) =>
    make("img", { src: url, alt: t("imageAlt", { n: at + 1, total: post.images }) })));
  byId("rv-images").className = post.urls.length > 1 ? "rv-several" : "";
  byId("rv-text").textContent = post.text ?? "";
  const missing = post.status.filter((status) => status !== "ok").map((status) => pageWord(`status.${status}`));
  if (post.urls.some((url) => !url) && !post.status.some((one) => one.startsWith("image_"))) missing.push(t("noImage"));
  if (!post.text?.trim() && !missing.length) missing.push(t("noText"));
  byId("rv-missing").textContent = missing.join(" · ");
  byId("rv-note").value = post.note;
  drawOthers(Object.entries(post.others));
  drawModel(post.model);
  byId("rv-reasons").replaceChildren();
  drawYours(post.said);
}

export function drawYours(said) {
  byId("rv-labels").querySelectorAll("button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.label === said));
  });
  byId("rv-skip").setAttribute("aria-pressed", String(said === ""));
}

function drawOthers(others) {
  byId("rv-others").replaceChildren(...(others.length
    ? [make("h2", {}, t("others")), make("p", {}, others.map(([person, label]) => `${person}: ${labelName(label)}`).join(" · "))]
    : []));
}

function drawModel(model) {
  byId("rv-model").replaceChildren(model
    ? make("div", { class: "mf-bars" }, ...bars(model.probabilities, model.label))
    : make("p", { class: "mf-muted" }, t("withheld")));
}

// What `post` is waiting for; `found` is an explanation once there is one, and null where there never will be.
export function drawReasons(post, found) {
  const parts = [];
  if (found === undefined) parts.push(make("p", { class: "mf-muted" }, t("thinking")));
  if (found === null) parts.push(make("p", { class: "mf-muted" }, t("noReasons")));
  if (found) {
    parts.push(make("div", { class: "mf-parts" }, ...Object.keys(found.shares).map((modality) => part(modality, found))));
    if (found.words.length) parts.push(...words(found));
    const url = post.urls.find(Boolean);
    if (found.regions && url) parts.push(...drawHeat({ ...found, url, images: post.images }));
  }
  byId("rv-reasons").replaceChildren(...parts.filter(Boolean));
}

export function sayStanding(now) {
  const two = (value) => value.toFixed(2);
  const lines = [];
  if (!now.random) lines.push(t("accuracyNever"));
  else if (!now.tested) lines.push(t("accuracyLater", { random: now.random, n: now.tested }));
  else {
    const values = { value: two(now.accuracy), low: two(now.low), high: two(now.high), n: now.tested, needed: now.needed };
    lines.push(t("accuracy", values));
  }
  if (now.alpha !== null) lines.push(t("alpha", { n: now.shared, value: two(now.alpha) }));
  if (now.differing) lines.push(t("differing", { n: now.differing }));
  return lines;
}
