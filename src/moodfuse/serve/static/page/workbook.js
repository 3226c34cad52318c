// An Excel workbook of one sheet: a zip without compression, of the five files that a spreadsheet asks for.
const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const OPEN = "http://schemas.openxmlformats.org";
const TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml";

const crcs = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcs[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// Little-endian numbers of 2 or 4 bytes, one after another.
function numbers(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((size, [, bytes]) => size + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of pairs) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

function zip(files) {
  const parts = [];
  const list = [];
  let offset = 0;
  for (const [name, text] of files) {
    const path = new TextEncoder().encode(name);
    const data = new TextEncoder().encode(text);
    const shared = [[20, 2], [0x800, 2], [0, 2], [0, 2], [0x21, 2], [crc32(data), 4], [data.length, 4], [data.length, 4], [path.length, 2], [0, 2]];
    const head = numbers([0x04034b50, 4], ...shared);
    parts.push(head, path, data);
    list.push(numbers([0x02014b50, 4], [20, 2], ...shared, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), path);
    offset += head.length + path.length + data.length;
  }
  const size = list.reduce((sum, part) => sum + part.length, 0);
  const end = numbers([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...list, end]);
}

// Characters that XML does not have are written as Excel writes them.
function escaped(text) {
  return text.replace(/_x[0-9A-Fa-f]{4}_/g, (found) => `_x005F${found}`)
    .replace(/[\u0000-\u0008\u000b\u000c\u000d\u000e-\u001f\ufffe\uffff]/g, (one) => `_x${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}_`)
    .toWellFormed().replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function cell(value) {
  if (typeof value === "boolean") return `<c t="b"><v>${Number(value)}</v></c>`;
  if (typeof value === "number") return `<c><v>${value}</v></c>`;
  return `<c t="inlineStr"><is><t xml:space="preserve">${escaped(String(value))}</t></is></c>`;
}

export function workbook(rows) {
  const sheet = rows.map((row) => `<row>${row.map(cell).join("")}</row>`).join("");
  const main = `${OPEN}/spreadsheetml/2006/main`;
  const link = `${OPEN}/officeDocument/2006/relationships`;
  const related = (kind, target) => `${XML}<Relationships xmlns="${OPEN}/package/2006/relationships"><Relationship Id="r1" Type="${link}/${kind}" Target="${target}"/></Relationships>`;
  return zip([
    ["[Content_Types].xml", `${XML}<Types xmlns="${OPEN}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${TYPE}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${TYPE}.worksheet+xml"/></Types>`],
    ["_rels/.rels", related("officeDocument", "xl/workbook.xml")],
    ["xl/workbook.xml", `${XML}<workbook xmlns="${main}" xmlns:r="${link}"><sheets><sheet name="posts" sheetId="1" r:id="r1"/></sheets></workbook>`],
    ["xl/_rels/workbook.xml.rels", related("worksheet", "worksheets/sheet1.xml")],
    ["xl/worksheets/sheet1.xml", `${XML}<worksheet xmlns="${main}"><sheetData>${sheet}</sheetData></worksheet>`],
  ]);
}
