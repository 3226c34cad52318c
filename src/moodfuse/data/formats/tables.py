"""CSV and TSV: a header, and a record a post."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

from moodfuse.data.formats.base import Reader, Reading, Row, Run
from moodfuse.data.formats.columns import Columns, assign_columns, need_text_or_image, rank_of
from moodfuse.data.formats.dialect import Dialect, find_dialect, header_columns, separator_line
from moodfuse.data.formats.fields import unique_names
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.lines import csv_line
from moodfuse.data.formats.records import Records, fitted
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.formats.writers import LineWriter
from moodfuse.data.posts import ImageRef, Post
from moodfuse.data.table_style import TableStyle
from moodfuse.errors import DataError
from moodfuse.progress import mute

#: An id that a spreadsheet has taken for a number and rounded.
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of a table: how the file is written, its names, what they are for."""

    dialect: Dialect
    names: tuple[str, ...]
    columns: Columns


@reader
class TsvReader(Reader):
    """A table with a header: id or guid, text, image (a path relative to the file), label, tag or sentiment."""

    name = "tsv"
    priority = 80
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".tab")
    splits = True
    delimiter = "\t"
    #: What stands between the columns of a header that this reader knows by its names.
    delimiters = "\t"

    def recognises(self, path: Path, header: str | None) -> bool:
        split = dict(header_columns(header))
        return any(any(map(rank_of, split.get(delimiter, ()))) for delimiter in self.delimiters)

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        header, table = self._open(path, reading)
        if header.columns.told:
            reading.notify(header.columns.told)
        yield from self._tidied(_rows(path, table, header, 0, reading))

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return self._open(path, reading)[0].names

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        header, _ = self._open(path, reading)
        return header.columns.names(header.names)

    def style(self, path: Path, reading: Reading) -> TableStyle:
        found = self._open(path, reading)[0].dialect.style
        # Who asks for .csv of a table with tabs wants commas, but where such a table is called .csv itself.
        commas = found.delimiter == "\t" and path.suffix.lower() != ".csv"
        return replace(found, delimiter=",", named=False) if commas else found

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        header, table = self._open(path, replace(reading, strict=False))
        if header.columns.told:
            reading.notify(header.columns.told)
        return self._runs(path, ((record.offset, record.line - 1) for record in table), size)

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        if not run.offset:
            return super().run_rows(run, reading)
        reading = replace(reading, notify=mute)
        header, _ = self._open(run.path, reading)
        width = len(header.names)
        table = Records(run.path, header.dialect, reading, offset=run.offset, line=run.line, width=width)
        return islice(self._tidied(_rows(run.path, table, header, run.first, reading)), run.rows)

    def _tidied(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Return the rows as the format means them, where a program that writes such tables adds something."""
        return rows

    def _open(self, path: Path, reading: Reading) -> tuple[Header, Records]:
        dialect = find_dialect(path, self.delimiter, reading)
        table = Records(path, dialect, reading)
        first = next(table, None)
        if first is None:
            raise DataError(f"{path}: expected a header line and a line for each post, found neither")
        where = f"{path} line {first.line}"
        columns = assign_columns(first.values, where, reading)
        need_text_or_image(columns, first.values, where, reading)
        return Header(dialect, unique_names(first.values), columns), table


def _rows(path: Path, table: Records, header: Header, before: int, reading: Reading) -> Iterator[Row]:
    places, more, width = header.columns.places, header.columns.more_images, len(header.names)
    text_at, id_at, label_at = places.get("text", -1), places.get("id", -1), places.get("label", -1)
    images_at = ([places["image"]] if "image" in places else []) + [*more]
    if reading.answers:
        images_at = []
    decoded, folder, rounded, kept = header.dialect.encoding.decoded, path.parent, False, reading.fields
    for number, (line, given, _) in enumerate(table, start=before + 1):
        values: list[str] | list[str | None] = given
        if len(given) != width:
            values = fitted(table, line, given, reading)
        text = None if text_at < 0 else values[text_at]
        id = str(number) if id_at < 0 else values[id_at] or ""
        if not rounded and "+" in id and _ROUNDED.fullmatch(id.strip()):
            rounded = True
            reading.notify(
                f"{path} line {line}: the id {id.strip()} was rounded by a spreadsheet, as others may be: "
                "several posts can have it; export ids as text"
            )
        images: list[ImageRef] = []
        for at in images_at:
            images += image_refs(folder, values[at]) if values[at] else ()
        yield Row(
            path,
            line,
            id,
            None if text is None else decoded(text),
            tuple(images),
            None if label_at < 0 else values[label_at],
            "line",
            None,  # not left out
            dict(zip(header.names, values, strict=True)) if kept else None,
        )


@reader
class CsvReader(TsvReader):
    """As TSV, with commas, semicolons or bars."""

    name = "csv"
    priority = 85
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    delimiter = ","
    delimiters = ",;|"

    def recognises(self, path: Path, header: str | None) -> bool:
        if super().recognises(path, header) or (header is not None and separator_line(header)):
            return True
        return (header or "").strip().lower() in ("text", "image")


@writer
class CsvWriter(LineWriter):
    """id, text, image (a path relative to the file), label. A missing text becomes an empty one."""

    name = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    header = b"id,text,image,label\n"
    delimiter = ","
    keeps_missing_text = False

    def line(self, post: Post, images: list[str | dict[str, str]]) -> bytes:
        return csv_line([post.id, post.text or "", ";".join(map(str, images)), post.label or ""], self.delimiter)


@writer
class TsvWriter(CsvWriter):
    """As CSV, with tabs."""

    name = "tsv"
    suffixes = (".tsv",)
    header = b"id\ttext\timage\tlabel\n"
    delimiter = "\t"
