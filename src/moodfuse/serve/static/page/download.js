// The table as files, made in the browser.
function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function lines(rows) {
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

export function tableCsv(rows, labels) {
  const header = ["id", "label", "predicted", "corrected", ...labels.map((name) => `p_${name}`), "confidence", "used", "status", "needs_review"];
  return lines([header, ...rows.map((row) => [
    row.id, row.given, row.label, row.given !== row.label, ...labels.map((name) => row.probabilities[name]),
    row.confidence, row.used.join("|"), row.status.join("|"), row.needs_review,
  ])]);
}

export function tagCsv(rows) {
  return lines([["guid", "tag"], ...rows.map((row) => [row.id, row.given])]);
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
