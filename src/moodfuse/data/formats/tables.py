"""CSV and TSV: a header, and a record a post."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from moodfuse.data.formats.base import Reader, Reading, Row, Run
from moodfuse.data.formats.fields import NAMES, columns, need_text_or_image, roles, values_by_role
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.lines import Record, csv_line, first_line, records
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.formats.writers import LineWriter
from moodfuse.data.posts import Post
from moodfuse.data.text import Decoded


@reader
class TsvReader(Reader):
    """A table with a header: id or guid, text, image (a path relative to the file), label, tag or sentiment."""

    name = "tsv"
    priority = 80
    suffixes = (".tsv",)
    splits = True
    delimiter = "\t"

    def recognises(self, path: Path, header: str | None) -> bool:
        known = {name for names in NAMES.values() for name in names}
        found = columns(header, self.delimiter)
        return path.suffix.lower() in self.suffixes or (len(found) > 1 and bool(known & set(found)))

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        first_line(path)
        table = records(path, self.delimiter)
        header = next(table).values
        yield from self._rows(path, table, _roles(path, header), 0, reading)

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        first_line(path)
        table = records(path, self.delimiter)
        _roles(path, next(table).values)
        return self._runs(path, ((record.offset, record.line - 1) for record in table), size)

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        if not run.offset:
            return super().run_rows(run, reading)
        header = next(records(run.path, self.delimiter)).values
        table = records(run.path, self.delimiter, offset=run.offset, line=run.line, columns=len(header))
        return islice(self._rows(run.path, table, _roles(run.path, header), run.first, reading), run.rows)

    def _rows(
        self, path: Path, table: Iterator[Record], found: dict[str, int], before: int, reading: Reading
    ) -> Iterator[Row]:
        for number, record in enumerate(table, start=before + 1):
            values = values_by_role(record, found, path, reading.strict)
            text = values.get("text")
            images = image_refs(path.parent, values.get("image"))
            yield Row(
                path,
                record.line,
                str(number) if "id" not in found else values["id"] or "",
                None if text is None else Decoded(text, record.encoding, record.lossy),
                images[0] if images else None,
                values.get("label"),
                more_images=tuple(images[1:]),
            )


def _roles(path: Path, header: list[str]) -> dict[str, int]:
    found = roles(header, f"{path} line 1")
    need_text_or_image(found, header, f"{path} line 1")
    return found


@reader
class CsvReader(TsvReader):
    """As TSV, with commas."""

    name = "csv"
    priority = 85
    suffixes = (".csv",)
    delimiter = ","

    def recognises(self, path: Path, header: str | None) -> bool:
        return super().recognises(path, header) or columns(header, ",") in (["text"], ["image"])


@writer
class CsvWriter(LineWriter):
    """id, text, image (a path relative to the file), label. A missing text becomes an empty one."""

    name = "csv"
    suffixes = (".csv",)
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
