"""JSON lines: one object a post."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from moodfuse.data.formats.base import Reader, Reading, Row, Run
from moodfuse.data.formats.fields import json_id, json_object, need_text_or_image, roles, short
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.lines import first_line, line_ends, located_lines
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.formats.writers import LineWriter
from moodfuse.data.posts import Post
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError


@reader
class JsonLinesReader(Reader):
    """One JSON object a line: id, text, image (a path, or {"base64": ...}), label. `null` is nothing."""

    name = "jsonl"
    priority = 60
    suffixes = (".jsonl", ".ndjson")
    splits = True

    def recognises(self, path: Path, header: str | None) -> bool:
        return path.suffix.lower() in self.suffixes or (header or "").lstrip().startswith("{")

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        first_line(path)
        yield from self._from(Run(path, self.name, 0, 0), reading)

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        first_line(path)
        lines = enumerate(located_lines(path))
        return self._runs(path, ((offset, line) for line, (offset, found) in lines if found.text.strip()), size)

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        if not run.offset:
            return super().run_rows(run, reading)
        return islice(self._from(run, reading), run.rows)

    def _from(self, run: Run, reading: Reading) -> Iterator[Row]:
        """Yield the rows from the beginning of a run to the end of the file."""
        path, number = run.path, run.first
        for line, (_, decoded) in enumerate(located_lines(path, run.offset), start=run.line + 1):
            if not decoded.text.strip():
                continue
            number += 1
            where = f"{path} line {line}"
            found = json_object(decoded.text, where)
            given = list(found.values())
            places = roles(found, where)
            need_text_or_image(places, found, where)
            values = {role: given[place] for role, place in places.items()}
            text, label = values.get("text"), values.get("label")
            if not isinstance(text, str | None):
                raise DataError(f"{where}: expected a string or null as text, found {short(text)}")
            images = image_refs(path.parent, values.get("image"), where=where, strict=reading.strict)
            yield Row(
                path,
                line,
                json_id(values["id"], where) if "id" in values else str(number),
                None if text is None else Decoded(text, decoded.encoding, decoded.lossy),
                images[0] if images else None,
                None if label is None else str(label),
                more_images=tuple(images[1:]),
            )

    def count(self, path: Path, reading: Reading) -> int:
        return line_ends(path)  # no line is a header


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
