// The input with its answers as a file, made in the browser, so that corrections are in it.
import { workbook } from "./workbook.js";

const MIME = {
  csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/x-ndjson", json: "application/json",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};

// The format that answers to a file of `format` are given in.
export function answerFormat(format) {
  return format in MIME ? format : "csv";
}

// What a field's JSON is in a cell; numbers stay as they were written: JavaScript would round long ones.
function plain(json) {
  if (json === null || json === "null") return "";
  return json.startsWith('"') ? JSON.parse(json) : json;
}

// A text that no spreadsheet takes for a formula, as `predict --spreadsheet-safe` writes it.
function safe(text) {
  return /^'*[=+@\t\r-]/.test(text) && !/^[+-]?\d[\d.,]*(e[+-]?\d+)?%?$/i.test(text) ? `'${text}` : text;
}

// A cell between `delimiter`s; the numbers are the answer's, and get the table's own `decimal` sign.
function cell(value, { delimiter, decimal = ".", raw = false }) {
  const number = typeof value === "number" && decimal !== delimiter;
  const plainly = typeof value === "boolean" ? { true: "True", false: "False" }[value] : String(value);
  const written = number ? plainly.replace(".", decimal) : plainly;
  const text = raw ? written : safe(written);
  return /["\r\n]/.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text;
}

// A table as text, written as the one that came in: `mark` stands before it, and `named` says its separator in a line.
function lines(rows, table) {
  const opening = (table.mark ? "\ufeff" : "") + (table.named ? `sep=${table.delimiter}\n` : "");
  return opening + rows.map((row) => row.map((value) => cell(value, table)).join(table.delimiter) + "\n").join("");
}

// The answer's columns by name, as the command line writes them; what was corrected only where something was.
function answer(row, labels, { columns, names }, corrected) {
  const shares = Object.fromEntries(labels.map((name) => [`p_${name}`, row.probabilities[name]]));
  const rest = {
    used: row.used.join("|"), status: row.status.join("|"), needs_review: row.needs_review, details: row.details.join("|"),
  };
  const plainly = columns.length
    ? { label: row.given, confidence: row.confidence, ...shares, ...rest }
    : { id: row.id, label: row.given, ...shares, confidence: row.confidence, ...rest };
  if (corrected) Object.assign(plainly, { predicted: row.label, corrected: row.given !== row.label });
  return Object.entries(plainly).map(([name, value]) => [names[name] || name, value]);
}

function table(rows, labels, opening, corrected) {
  const answers = rows.map((row) => answer(row, labels, opening, corrected));
  return [
    [...opening.columns, ...answers[0].map(([name]) => name)],
    ...rows.map((row, at) => [...row.fields.map(plain), ...answers[at].map(([, value]) => value)]),
  ];
}

function jsonRow(row, { columns, names }, corrected) {
  const found = columns.map((name, at) => [name, row.fields[at]]).filter(([, json]) => json !== null);
  const name = (key) => names[key] || key;
  const answers = {
    label: row.given, confidence: row.confidence, probabilities: row.probabilities, used: row.used, status: row.status,
    needs_review: row.needs_review, details: row.details, ...(corrected ? { predicted: row.label, corrected: row.given !== row.label } : {}),
  };
  const parts = columns.length ? found : [["id", JSON.stringify(row.id)]];
  parts.push(...Object.entries(answers).map(([key, value]) => [name(key), JSON.stringify(value)]));
  return `{${parts.map(([key, json]) => `${JSON.stringify(key)}: ${json}`).join(", ")}}`;
}

// The parts of a file of answers, for a Blob.
export function answersFile(rows, labels, opening) {
  const format = answerFormat(opening.format);
  const corrected = rows.some((row) => row.given !== row.label);
  if (format === "jsonl") return rows.map((row) => jsonRow(row, opening, corrected) + "\n");
  if (format === "json") return ["[\n", rows.map((row) => jsonRow(row, opening, corrected)).join(",\n"), "\n]\n"];
  const cells = table(rows, labels, opening, corrected);
  if (format === "xlsx") {
    const typed = rows.map((row, at) => [...row.fields.map(typedField), ...cells[at + 1].slice(opening.columns.length)]);
    return [workbook([cells[0], ...typed])];
  }
  return [lines(cells, format === "tsv" ? { ...opening.table, delimiter: "\t", named: false } : opening.table)];
}

// A number of a workbook stays one where a spreadsheet keeps all its digits.
function typedField(json) {
  const number = json !== null && /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(json) ? Number(json) : NaN;
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : plain(json);
}

export function tagFile(rows) {
  return [lines([["guid", "tag"], ...rows.map((row) => [row.id, row.given])], { delimiter: ",", raw: true })];
}

export function download(name, parts) {
  const type = MIME[name.split(".").pop()] || "text/csv";
  const url = URL.createObjectURL(new Blob(parts, { type: type.startsWith("text/") ? `${type};charset=utf-8` : type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
