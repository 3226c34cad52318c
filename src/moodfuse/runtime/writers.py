"""Answers to a file, one at a time: `guid,tag`, CSV, TSV, JSON lines, JSON, Parquet or Excel."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from moodfuse.data.formats.parquet import parquet_sink
from moodfuse.data.formats.registry import format_name
from moodfuse.data.table_style import PLAIN_CSV, TableStyle, safe_text
from moodfuse.errors import ConfigError, suggest
from moodfuse.runtime.answers import Layout, joined
from moodfuse.runtime.predictor import Prediction
from moodfuse.runtime.values import cell, json_text, utf8, whole
from moodfuse.runtime.workbook import workbook_sink

Format = Literal["guid_tag", "csv", "tsv", "jsonl", "json", "parquet", "xlsx"]
FORMATS: tuple[Format, ...] = ("guid_tag", "csv", "tsv", "jsonl", "json", "parquet", "xlsx")
#: The formats that are one file from end to end, which a stream cannot be.
FILES: tuple[Format, ...] = ("parquet", "xlsx")
#: What the name of a file of answers ends with.
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "xlsx",
}


class Write(Protocol):
    """Writes an answer, behind the fields of its post where there are any."""

    def __call__(self, prediction: Prediction, fields: Mapping[str, Any] | None = None, /) -> None: ...


def answer_format(name: str) -> Format:
    """Return the format of answers that is meant ("report" is `guid_tag`). Raises `ConfigError` where there is none."""
    for known in FORMATS:
        if known == format_name(name):
            return known
    raise ConfigError(suggest(name, FORMATS, what="--to"))


def output_format(path: Path, came: str) -> Format:
    """Return the format that the name of an output asks for, where `came` is the format of the posts.

    A `guid,tag` list may be called .txt; a name without an ending takes what came in, else CSV. Raises `ConfigError`
    for any other ending.
    """
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return ENDINGS[ending]
    if not ending or (ending == ".txt" and came == "guid_tag"):
        return next((name for name in FORMATS if name == came), "csv")
    known = ", ".join(one for one in ENDINGS if one not in (".ndjson", ".pq"))
    also = "" if ending == ".txt" else "; .txt where guid,tag came in"
    raise ConfigError(
        f"{path}: expected a name that ends in {known}{also}, found {ending}; name it so, or say which: --to FORMAT"
    )


@contextmanager
def start_writing(sink: BinaryIO, style: Format, layout: Layout) -> Iterator[Write]:
    """Give the function that writes an answer to `sink`. Parquet, Excel and JSON are whole when the block has ended.

    Of a text format nothing is written before the first answer, or the end where there is none: what fails before
    leaves a stream empty.
    Raises `MissingExtraError` for Parquet without pyarrow and for Excel without XlsxWriter.
    """
    if style == "parquet":
        with parquet_sink(sink, _parquet_columns(layout)) as add:
            yield lambda prediction, fields=None: add(_parquet_row(layout, prediction, fields))
    elif style == "xlsx":
        with workbook_sink(sink, layout.header) as add_row:
            yield lambda prediction, fields=None: add_row(_table_row(layout, prediction, fields))
    else:
        header, line, between, footer = _lines(style, layout)
        before = header

        def write(prediction: Prediction, fields: Mapping[str, Any] | None = None) -> None:
            nonlocal before
            sink.write(before + line(prediction, fields))
            before = between

        yield write
        sink.write((header if before is header else b"") + footer)


_Line = Callable[[Prediction, Mapping[str, Any] | None], bytes]


def _lines(style: Format, layout: Layout) -> tuple[bytes, _Line, bytes, bytes]:
    """Return a format's header, the function that makes a line, what stands between lines, and behind the last."""
    if style == "guid_tag":
        return b"guid,tag\n", lambda prediction, _: _csv_line([prediction.id, prediction.label]), b"", b""
    if style == "jsonl":
        return b"", lambda prediction, fields: utf8(_json(layout, prediction, fields)) + b"\n", b"", b""
    if style == "json":
        return b"[\n", lambda prediction, fields: utf8(_json(layout, prediction, fields)), b",\n", b"\n]\n"
    table = replace(layout.table, delimiter="\t", named=False) if style == "tsv" else layout.table

    def line(prediction: Prediction, fields: Mapping[str, Any] | None) -> bytes:
        return _csv_line(_table_row(layout, prediction, fields), table)

    return _table_opening(table) + _csv_line(layout.header, table), line, b"", b""


def _table_opening(table: TableStyle) -> bytes:
    named = f"sep={table.delimiter}\n".encode() if table.named else b""
    return (codecs.BOM_UTF8 if table.mark else b"") + named


def _json(layout: Layout, prediction: Prediction, fields: Mapping[str, Any] | None) -> str:
    return json_text(layout.answered_object(prediction, fields))


def _table_row(layout: Layout, prediction: Prediction, fields: Mapping[str, Any] | None) -> list[Any]:
    return [*layout.fields(fields), *map(joined, layout.answer(prediction).values())]


def _parquet_columns(layout: Layout) -> dict[str, Any]:
    kinds = {"used": "strings", "status": "strings", "details": "strings", "needs_review": "bool"}
    numbers = {"confidence", *(f"p_{name}" for name in layout.labels.names)}
    answers = {
        name: "float" if plain in numbers else kinds.get(plain, "string") for plain, name in layout.names.items()
    }
    return {name: layout.types.get(name, "string") for name in layout.columns} | answers


def _parquet_row(layout: Layout, prediction: Prediction, fields: Mapping[str, Any] | None) -> dict[str, Any]:
    values = zip(layout.columns, layout.fields(fields), strict=True)
    row = {name: value if value is None or name in layout.types else whole(cell(value)) for name, value in values}
    return row | layout.answer(prediction)


def _csv_line(values: Sequence[Any], table: TableStyle = PLAIN_CSV) -> bytes:
    """Return a line of a table. Its numbers are the answer's: what a table of text held comes back as text."""
    cells: Iterable[str] = map(cell, values)
    if table.decimal != "." and table.delimiter != table.decimal:
        cells = (str(one).replace(".", table.decimal) if isinstance(one, float) else cell(one) for one in values)
    if table.safe:
        cells = map(safe_text, cells)
    line = io.StringIO()
    # A cell that holds \r is put between quotes only where \r is part of the line's end.
    csv.writer(line, delimiter=table.delimiter, lineterminator="\r\n").writerow(cells)
    return utf8(line.getvalue()[:-2]) + b"\n"
