"""A reader of one's own: text files of posts with a line of three dashes between, as notes and mailing lists keep them.

    id: 7
    label: positive
    image: pictures/7.jpg

    What a day!
    ---
    id: 8

    It rained.

It is one file. Put it in a package whose pyproject.toml says

    [project.entry-points."moodfuse.readers"]
    notes = "my_reader:NotesReader"

and every command reads such files, and folders of them. Rows come one at a time, each says where it stands, and what is
none of a post is refused with the line: `tests/contracts/` checks this and more of every reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.columns import assign_columns
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.lines import file_encoding, first_line, located_texts
from moodfuse.errors import DataError

Lines = list[tuple[int, str]]


class NotesReader(Reader):
    """`key: value` lines (id, image, label), a blank line, the text as it stands; `---` ends a post."""

    name = "notes"
    suffixes = (".notes",)

    def recognises(self, path: Path, header: str | None) -> bool:
        return header is not None and path.suffix.lower() in self.suffixes

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        first_line(path)  # refuses what is no text file
        for number, lines in enumerate(self._posts(path), start=1):
            yield self._row(path, number, lines, reading)

    def count(self, path: Path, reading: Reading) -> int:
        return sum(1 for _ in self._posts(path))

    def _posts(self, path: Path) -> Iterator[Lines]:
        held: Lines = []
        for line, (_, text) in enumerate(located_texts(path, file_encoding(path)), start=1):
            if text.rstrip() != "---":
                held.append((line, text))
                continue
            yield held
            held = []
        if held:
            yield held

    def _row(self, path: Path, number: int, lines: Lines, reading: Reading) -> Row:
        begins = lines[0][0] if lines else 1
        end = next((at for at, (_, text) in enumerate(lines) if not text.strip()), len(lines))
        names, values = [], []
        for line, text in lines[:end]:
            name, colon, value = text.partition(":")
            if not colon:
                raise DataError(f"{path} line {line}: expected `key: value` or a blank line before the text")
            names.append(name)
            values.append(value.strip())
        places = assign_columns(names, f"{path} line {begins}", reading).places
        found = {role: values[at] for role, at in places.items()}
        body = "".join(text for _, text in lines[end + 1 :]).removesuffix("\n")
        return Row(
            path,
            begins,
            found.get("id", str(number)),
            file_encoding(path).decoded(body) if end < len(lines) else None,
            tuple(image_refs(path.parent, found.get("image"))),
            found.get("label"),
        )
