// Totals of a batch: shares corrected for how the model errs, with their intervals, and over time.
import { labelName, make, percent, t } from "./words.js";

function shareText(share) {
  return t("shareOf", { value: percent(share.share), low: percent(share.low), high: percent(share.high) });
}

function period(one, labels) {
  const known = !one.too_small && Object.keys(one.shares).length > 0;
  const words = known ? labels.map((name) => `${labelName(name)} ${shareText(one.shares[name])}`).join(", ") : t("tooFew");
  const parts = known ? labels.map((name) => make("span", { class: `mf-${name}`, style: { height: `${100 * one.shares[name].share}%` } })) : [];
  return make("li", { title: `${one.time}: ${words}` },
    make("span", { class: "mf-stack", role: "img", "aria-label": `${one.time}: ${words}` }, ...parts),
    make("small", {}, one.time));
}

export function totals(told, labels) {
  const { total, time, corrected, warnings } = told;
  const list = labels.map((name) => make("li", {}, `${labelName(name)} ${shareText(total.shares[name])}`));
  const found = [make("p", {}, t(corrected ? "sharesCorrected" : "sharesCalibrated")), make("ul", { class: "mf-shares" }, ...list)];
  if (time.periods.length > 1) {
    found.push(make("p", {}, t("overTime", { column: time.column })),
      make("ol", { class: "mf-trend", tabindex: "0" }, ...time.periods.map((one) => period(one, labels))));
  }
  return [...found, ...warnings.map((warning) => make("p", { class: "mf-muted" }, warning))];
}
