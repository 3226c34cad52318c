// Why an answer is what it is: what each part says, and the words that mattered.
import { legend } from "./heat.js";
import { labelName, make, percent, t } from "./words.js";

export function listed(probabilities) {
  return Object.entries(probabilities).map(([name, value]) => `${labelName(name)} ${percent(value)}`).join(", ");
}

export function bars(probabilities, best) {
  return Object.entries(probabilities).map(([name, value]) =>
    make("div", { class: `mf-bar${name === best ? " mf-best" : ""}` },
      make("span", { class: "mf-name" }, labelName(name)),
      make("span", { class: "mf-track" }, make("span", { class: `mf-fill mf-${name}`, style: { width: `${100 * value}%` } })),
      make("span", { class: "mf-value" }, percent(value))));
}

export function part(modality, found) {
  const alone = found.alone[modality];
  const title = make("h4", {}, t(modality));
  if (!alone) return make("div", { class: "mf-part" }, title, make("p", { class: "mf-muted" }, t(`absent.${modality}`)));
  const [best] = Object.entries(alone).sort((one, other) => other[1] - one[1]);
  const points = 100 * found.shares[modality][found.label];
  return make("div", { class: "mf-part" }, title,
    make("p", {}, t("alone", { label: labelName(best[0]), value: percent(best[1]) })),
    make("div", { class: "mf-bars mf-thin" }, ...bars(alone, best[0])),
    make("p", { class: "mf-moved" },
      make("b", { class: points < 0 ? "mf-against" : "mf-for" }, points < 0 ? "▼ " : "▲ "),
      t("moved", { label: labelName(found.label), points: `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(0)}` })));
}

export function words(found) {
  const most = Math.max(...found.words.map((word) => Math.abs(word.weight)), 0.02);
  const line = make("p", { class: "mf-words", dir: "auto" });
  const characters = found.text.length === [...found.text].length ? found.text : [...found.text]; // places count code points
  const cut = (from, to) => (typeof characters === "string" ? characters.slice(from, to) : characters.slice(from, to).join(""));
  let at = 0;
  for (const word of found.words) {
    line.append(cut(at, word.start));
    const share = Math.abs(word.weight) / most;
    const kind = share < 0.15 ? "" : word.weight < 0 ? "mf-word-against" : "mf-word-for";
    const points = `${word.weight < 0 ? "−" : "+"}${Math.abs(100 * word.weight).toFixed(1)}`;
    line.append(make("span", { class: `mf-word ${kind}`, style: { "--share": share.toFixed(2) }, title: points }, word.text));
    at = word.end;
  }
  line.append(cut(at));
  const strongest = [...found.words].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight)).slice(0, 5);
  const list = strongest.filter((word) => Math.abs(word.weight) > 0.005)
    .map((word) => `${word.text} ${word.weight < 0 ? "−" : "+"}${Math.abs(100 * word.weight).toFixed(0)}`);
  return [
    make("h3", {}, t("words")), line, legend(found.label),
    make("p", { class: "mf-muted" }, list.length ? list.join(" · ") : t("wordsNone")),
    found.words_left_out ? make("p", { class: "mf-muted" }, t("wordsLeft", { n: found.words_left_out })) : null,
  ];
}
