"""JSON lines: one object a post."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from moodfuse.data.formats.base import Reader, Reading, Row, Run
from moodfuse.data.formats.fields import json_object, short
from moodfuse.data.formats.lines import file_encoding, first_line, line_ends, located_texts
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.formats.values import Objects, need_columns, record_columns
from moodfuse.data.formats.writers import LineWriter
from moodfuse.data.posts import Post
from moodfuse.errors import DataError
from moodfuse.progress import mute

_LOOKED_AT = 1_000  # lines in which a text or an image must be, where not each must have one


@reader
class JsonLinesReader(Reader):
    """One JSON object a line: id, text, image (a path, or {"base64": ...}), label. `null` is nothing."""

    name = "jsonl"
    priority = 60
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    splits = True

    def recognises(self, path: Path, header: str | None) -> bool:
        return (header or "").lstrip().startswith("{")

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        _look(path, reading)
        yield from self._from(Run(path, self.name, 0, 0), reading)

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return record_columns(_objects(path))

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return Objects(path, reading).read_columns(_objects(path))

    def count(self, path: Path, reading: Reading) -> int:
        return line_ends(path)  # no line is a header

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        _look(path, replace(reading, strict=False))
        lines = enumerate(located_texts(path, file_encoding(path)))
        return self._runs(path, ((offset, line) for line, (offset, text) in lines if text.strip()), size)

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        if not run.offset:
            return super().run_rows(run, reading)
        return islice(self._from(run, replace(reading, notify=mute)), run.rows)

    def _from(self, run: Run, reading: Reading) -> Iterator[Row]:
        """Yield the rows from the beginning of a run to the end of the file."""
        path, number, encoding = run.path, run.first, file_encoding(run.path)
        objects, told = Objects(path, reading, encoding), False
        for line, (_, text) in enumerate(located_texts(path, encoding, run.offset), start=run.line + 1):
            if not text.strip():
                continue
            number += 1
            try:
                yield self._row(objects, json_object(text, path, line), number, line)
            except DataError as error:
                if reading.strict:
                    raise
                if not told:
                    reading.notify(f"{error}; nothing is read there, nor on other lines of that kind")
                    told = True
                yield objects.nothing(number, line=line)

    def _row(self, objects: Objects, found: dict[str, Any], number: int, line: int) -> Row:
        """Return the row of the object that stands on `line`."""
        return objects.row(found, number, line=line)


def _look(path: Path, reading: Reading) -> None:
    """Raise `DataError` where the first lines say that this is no file of posts."""
    first_line(path)
    if (not reading.strict or reading.columns) and not need_columns(islice(_objects(path), _LOOKED_AT), path, reading):
        raise DataError(f"{path} line 1: expected one JSON object a line, found {short(first_line(path))}")


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; lines that hold none are passed over."""
    for _, text in located_texts(path, file_encoding(path)):
        try:
            yield json_object(text, path)
        except DataError:
            continue


@writer
class JsonLinesWriter(LineWriter):
    """One JSON object a line: id, text, image (a path, or {"base64": ...}), label; `null` is nothing."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    embeds = True

    def line(self, post: Post, images: list[str | dict[str, str]]) -> bytes:
        image = images if len(images) > 1 else next(iter(images), None)
        row = {"id": post.id, "text": post.text, "image": image, "label": post.label}
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
