// The page's start: waits until Gradio has put the panels there, then hands each to its module.
import { startBatch } from "./batch.js";
import { startSingle } from "./single.js";
import { applyWords, language, setLanguage, t } from "./words.js";

const model = JSON.parse(document.querySelector('meta[name="moodfuse"]').content);
const redraws = new Map();

function show() {
  document.documentElement.lang = language();
  applyWords(document);
  const tabs = [...document.querySelectorAll('button[role="tab"]')];
  [t("tabOne"), t("tabMany")].forEach((name, i) => {
    if (tabs[i]) tabs[i].textContent = name;
  });
  redraws.forEach((redraw) => redraw());
}

function startHead() {
  document.getElementById("mf-model").textContent = model.name;
  const select = document.getElementById("mf-language");
  select.value = language();
  select.addEventListener("change", () => {
    setLanguage(select.value);
    show();
  });
  return () => {};
}

// Gradio puts a tab's content there when the tab is first opened.
const starts = { "mf-language": startHead, "mf-single": startSingle, "mf-batch": startBatch };

function look() {
  let changed = false;
  for (const [id, start] of Object.entries(starts)) {
    const element = document.getElementById(id);
    if (element && !element.dataset.started) {
      element.dataset.started = "yes";
      redraws.set(id, start(model));
      changed = true;
    }
  }
  if (changed) show();
}

new MutationObserver(look).observe(document, { childList: true, subtree: true });
look();
