// The heat map: the browser's own copy of the image, with the weights of its parts drawn over what the model saw.
import { labelName, make, t } from "./words.js";

// What blue and orange mean; `more` stands behind it.
export function legend(name, ...more) {
  const label = labelName(name);
  const entry = (kind) => make("span", { class: "mf-entry" }, make("span", { class: `mf-key mf-key-${kind}` }), t(kind, { label }));
  return make("p", { class: "mf-legend mf-muted" }, entry("for"), entry("against"), ...more);
}

export function drawHeat(found) {
  const { weights, seen } = found.regions;
  const flat = weights.flat();
  const best = flat.indexOf(Math.max(...flat));
  const label = labelName(found.label);
  const alt = t("heatAlt", {
    label, row: Math.floor(best / weights.length) + 1, column: (best % weights.length) + 1, size: `${weights.length} × ${weights.length}`,
  });
  const canvas = make("canvas", { "aria-hidden": "true" });
  const image = make("img", { src: found.url, alt });
  image.addEventListener("load", () => paint(canvas, weights, seen, image));
  const box = make("input", { type: "checkbox", checked: true });
  box.addEventListener("change", () => {
    canvas.hidden = !box.checked;
  });
  const parts = [
    make("h3", {}, t(found.images > 1 ? "heatFirst" : "heat")),
    make("div", { class: "mf-heat" }, image, canvas),
    legend(found.label, make("label", { class: "mf-inline" }, box, ` ${t("heatShow")}`)),
  ];
  image.addEventListener("error", () => parts.forEach((part) => { // a TIFF, say, which few browsers show
    part.hidden = true;
  }));
  return parts;
}

function paint(canvas, weights, seen, image) {
  const scale = 800 / Math.max(image.naturalWidth, image.naturalHeight);
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const [left, top, right, bottom] = seen.map((share, i) => share * (i % 2 ? canvas.height : canvas.width));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "rgba(0, 0, 0, 0.45)"; // what the model did not see
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.clearRect(left, top, right - left, bottom - top);
  const most = Math.max(...weights.flat().map(Math.abs), 0.02);
  const cell = [(right - left) / weights[0].length, (bottom - top) / weights.length];
  weights.forEach((row, r) => row.forEach((weight, c) => {
    const share = Math.abs(weight) / most;
    pen.fillStyle = weight < 0 ? `rgba(230, 120, 0, ${0.65 * share})` : `rgba(30, 90, 255, ${0.65 * share})`;
    pen.fillRect(left + c * cell[0], top + r * cell[1], cell[0], cell[1]);
    if (share > 0.5) {
      pen.fillStyle = "#fff";
      pen.strokeStyle = "#000";
      pen.font = `bold ${Math.round(Math.min(...cell) * 0.6)}px system-ui`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      const sign = weight < 0 ? "−" : "+";
      const place = [left + (c + 0.5) * cell[0], top + (r + 0.5) * cell[1]];
      pen.lineWidth = 6;
      pen.strokeText(sign, ...place);
      pen.fillText(sign, ...place);
    }
  }));
}
