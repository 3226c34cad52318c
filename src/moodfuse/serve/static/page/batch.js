// Many posts: a file in, by POST /v1/predict/batch; answers stream into a table that can be corrected and downloaded.
import { answerFormat, answersFile, download, tagFile } from "./download.js";
import { totals } from "./totals.js";
import { failure, labelName, make, percent, t } from "./words.js";

const byId = (id) => document.getElementById(id);
const PAGE = 50; // rows shown at a time
const TYPES = {
  csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/x-ndjson", ndjson: "application/x-ndjson", zip: "application/zip",
  json: "application/json", xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};

export function startBatch(model) {
  let rows = []; // answers in the order of the file, each with `given`: the label as it stands now
  // What came in, how a table of it is written, and what the answer's columns are called.
  let opening = { format: "", table: { delimiter: "," }, columns: [], names: {} };
  let state = { kind: "", done: 0, total: 0, name: "" };
  let whole = null; // what is told of all answers, once they are there
  let page = 0;
  let stop = null;
  let drawn = 0;
  let error = () => "";

  function say(message) {
    error = message;
    byId("mf-batch-error").textContent = message();
    byId("mf-batch-error").hidden = !message();
  }

  function tell(change) {
    state = { ...state, ...change };
    byId("mf-progress").hidden = !state.kind;
    byId("mf-bar-text").textContent = state.kind ? t(state.kind, state) : "";
    const bar = byId("mf-bar");
    if (state.kind === "sending") bar.removeAttribute("value");
    else bar.value = state.total ? state.done / state.total : 0;
    byId("mf-stop").hidden = !stop;
    byId("mf-start").disabled = Boolean(stop);
  }

  async function send() {
    const file = byId("mf-file").files[0];
    const type = TYPES[(file?.name.split(".").pop() || "").toLowerCase()];
    if (!file || !type) {
      say(() => t(file ? "badType" : "noFile"));
      byId("mf-file").focus();
      return;
    }
    say(() => "");
    rows = [];
    whole = null;
    page = 0;
    stop = new AbortController();
    tell({ kind: "sending", done: 0, total: 0, name: file.name });
    try {
      const columns = encodeURIComponent(byId("mf-columns").value.trim());
      const response = await fetch(`/v1/predict/batch?preview=true&columns=${columns}`, {
        method: "POST", body: file, headers: { "Content-Type": type }, signal: stop.signal,
      });
      if (!response.ok) {
        const message = await failure(response);
        say(() => message);
        stop = null;
        tell({ kind: "" });
      } else {
        tell({ kind: "progress", total: Number(response.headers.get("Moodfuse-Posts")) });
        await receive(response.body);
      }
    } catch (problem) {
      const stopped = stop?.signal.aborted;
      stop = null;
      if (stopped) tell({ kind: rows.length ? "stopped" : "" });
      else if (state.total) {
        tell({ kind: "stopped" });
        say(() => t("broken", state));
      } else {
        tell({ kind: "" });
        say(() => t("errors.0"));
      }
    }
    stop = null;
    tell({});
    draw();
  }

  async function receive(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let opened = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.filter(Boolean)) {
        const row = JSON.parse(line);
        if (!opened) {
          opening = row;
          opened = true;
          continue;
        }
        if (row.totals) {
          whole = row.totals;
          continue;
        }
        rows.push({ ...row, given: row.label, place: rows.length });
      }
      tell({ done: rows.length });
      const correcting = byId("mf-rows").contains(document.activeElement);
      if (Date.now() - drawn > 500 && !correcting) draw();
    }
    if (rows.length < state.total) throw new Error("the answer broke off");
    tell({ kind: "done" });
  }

  function shown() {
    const filter = byId("mf-filter").value;
    const find = byId("mf-find").value.trim().toLowerCase();
    const kept = rows.filter((row) => {
      if (filter === "review" && !row.needs_review) return false;
      if (filter === "corrected" && row.given === row.label) return false;
      if (filter === "problems" && row.status.includes("ok")) return false;
      if (filter.startsWith("=") && row.given !== filter.slice(1)) return false;
      return !find || row.id.toLowerCase().includes(find) || (row.text || "").toLowerCase().includes(find);
    });
    const order = {
      low: (a, b) => a.confidence - b.confidence,
      high: (a, b) => b.confidence - a.confidence,
      label: (a, b) => model.labels.indexOf(a.given) - model.labels.indexOf(b.given),
    }[byId("mf-sort").value];
    return order ? kept.sort((a, b) => order(a, b) || a.place - b.place) : kept;
  }

  function line(row) {
    const select = make("select", { "aria-label": t("labelOf", { id: row.id }) },
      ...model.labels.map((name) => make("option", { value: name, selected: name === row.given }, labelName(name))));
    const was = make("span", { class: "mf-muted" });
    const mark = () => {
      was.textContent = row.given === row.label ? "" : t("wasLabel", { label: labelName(row.label) });
      select.className = `mf-ink-${row.given}`;
    };
    select.addEventListener("change", () => {
      row.given = select.value;
      mark();
      total();
      count(shown().length);
    });
    mark();
    const notes = row.status.filter((status) => status !== "ok").map((status) => t(`status.${status}`)).join(" · ");
    return make("tr", { class: row.needs_review ? "mf-check" : "" },
      make("th", { scope: "row" }, row.id),
      make("td", { class: "mf-thumb" }, row.thumbnail ? make("img", { src: row.thumbnail, alt: `${t("image")} ${row.id}` }) : "–"),
      make("td", { class: "mf-excerpt", dir: "auto" }, row.text || "", notes ? make("small", { class: "mf-muted" }, notes) : null),
      make("td", {}, select, was),
      make("td", { class: "mf-number" }, percent(row.confidence),
        row.needs_review ? make("small", { class: "mf-flag" }, t("byHand")) : null));
  }

  function count(n) {
    const corrected = rows.filter((row) => row.given !== row.label).length;
    byId("mf-count").textContent = t("count", { n, total: rows.length, corrected });
  }

  function total() {
    const share = (n) => (rows.length ? n / rows.length : 0);
    const counts = model.labels.map((name) => [name, rows.filter((row) => row.given === name).length]);
    const review = rows.filter((row) => row.needs_review).length;
    const problems = rows.filter((row) => !row.status.includes("ok")).length;
    byId("mf-totals").replaceChildren(
      make("div", { class: "mf-bars" }, ...counts.map(([name, n]) => make("div", { class: "mf-bar" },
        make("span", {}, labelName(name)),
        make("span", { class: "mf-track" }, make("span", { class: `mf-fill mf-${name}`, style: { width: `${100 * share(n)}%` } })),
        make("span", { class: "mf-value" }, t("share", { n, share: percent(share(n)) }))))),
      make("p", { class: "mf-muted" }, t("totals", { total: rows.length, review, problems })),
      ...(whole ? totals(whole, model.labels) : []));
  }

  function draw() {
    drawn = Date.now();
    byId("mf-results").hidden = !rows.length;
    total();
    byId("mf-save").textContent = t("save", { format: answerFormat(opening.format).toUpperCase() });
    const kept = shown();
    const pages = Math.max(1, Math.ceil(kept.length / PAGE));
    page = Math.min(page, pages - 1);
    byId("mf-rows").replaceChildren(...kept.slice(page * PAGE, (page + 1) * PAGE).map(line));
    byId("mf-before").disabled = page === 0;
    byId("mf-after").disabled = page >= pages - 1;
    byId("mf-place").textContent = t("place", { page: page + 1, pages });
    ["mf-save", "mf-save-tag"].forEach((id) => {
      byId(id).disabled = Boolean(stop);
    });
    count(kept.length);
  }

  function redraw() {
    const options = (id, choices) => {
      const chosen = byId(id).value;
      byId(id).replaceChildren(...choices.map(([value, name]) => make("option", { value, selected: value === chosen }, name)));
    };
    options("mf-filter", [["", t("all")], ["review", t("review")], ["corrected", t("corrected")], ["problems", t("problems")],
      ...model.labels.map((name) => [`=${name}`, labelName(name)])]);
    options("mf-sort", [["", t("sortOrder")], ["low", t("sortLow")], ["high", t("sortHigh")], ["label", t("sortLabel")]]);
    if (!byId("mf-batch-error").hidden) say(error);
    tell({});
    draw();
  }

  byId("mf-batch-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stop) send();
  });
  byId("mf-stop").addEventListener("click", () => stop?.abort());
  ["mf-filter", "mf-sort", "mf-find"].forEach((id) => byId(id).addEventListener("input", () => {
    page = 0;
    draw();
  }));
  byId("mf-before").addEventListener("click", () => { page -= 1; draw(); });
  byId("mf-after").addEventListener("click", () => { page += 1; draw(); });
  byId("mf-save").addEventListener("click", () => {
    const name = state.name.replace(/\.[^.]*$/, "");
    download(`${name}_answers.${answerFormat(opening.format)}`, answersFile(rows, model.labels, opening));
  });
  byId("mf-save-tag").addEventListener("click", () => download("test_result.txt", tagFile(rows)));
  return redraw;
}
