// The page's start: hands each part of the page to its module, and says everything again in another language if asked.
import { startBatch } from "./batch.js";
import { startSingle } from "./single.js";
import { startTabs } from "./tabs.js";
import { applyWords, language, setLanguage } from "./words.js";

const model = JSON.parse(document.querySelector('meta[name="moodfuse"]').content);
const select = document.getElementById("mf-language");
const redraws = [startSingle(model), startBatch(model)];

function show() {
  document.documentElement.lang = language();
  applyWords(document);
  redraws.forEach((redraw) => redraw());
}

document.getElementById("mf-model").textContent = model.name;
startTabs(document.getElementById("mf-tabs"));
select.value = language();
select.addEventListener("change", () => {
  setLanguage(select.value);
  show();
});
show();
