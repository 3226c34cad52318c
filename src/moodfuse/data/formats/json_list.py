"""JSON: a list of objects, or an object that holds such a list, read an object at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.fields import short
from moodfuse.data.formats.json_items import count_matches
from moodfuse.data.formats.json_text import JsonText
from moodfuse.data.formats.lines import file_encoding, first_line, open_file
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.values import Objects, need_columns, record_columns
from moodfuse.errors import DataError

_LOOKED_AT = 1_000
_LONGEST_LINE = 1 << 15  # characters of a first line that is no JSON by itself, where the name alone tells the format
#: What stands between the objects of a list, in any encoding.
_BETWEEN = re.compile(rb"\}[\s\0]*,[\s\0]*\{")
#: How a file begins whose posts stand in a list under a key, where its first line is no object of its own.
_UNDER_A_KEY = re.compile(r'\s*\{\s*("[^"]*"\s*:\s*\[\s*(\{|$)|"[^"]*"\s*:\s*$|$)')


@reader
class JsonReader(Reader):
    """A list of objects as in JSON lines, by itself or under a key of an object (the first key that has one)."""

    name = "json"
    priority = 55  # before JSON lines: `{"data": [` begins with a brace, too
    suffixes = (".json",)

    def recognises(self, path: Path, header: str | None) -> bool:
        start = (header or "").lstrip()
        if start.startswith("["):
            return start[1:].lstrip()[:1] in ("", "{")
        if not start.startswith("{") or path.suffix.lower() in (".jsonl", ".ndjson"):
            return False
        try:
            value = json.loads(start)
        except (ValueError, RecursionError):
            return bool(_UNDER_A_KEY.match(start)) or (
                path.suffix.lower() in self.suffixes and len(start) < _LONGEST_LINE
            )
        lists = [one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
        return len(lists) > 0 and not {"text", "image"} & set(value)

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        first_line(path)
        if not reading.strict or reading.columns:
            need_columns(islice(elements(path), _LOOKED_AT), path, reading)
        objects = Objects(path, reading, file_encoding(path))
        for number, record in enumerate(elements(path), start=1):
            if isinstance(record, dict):
                yield objects.row(record, number)
            elif reading.strict:
                raise DataError(f"{path} row {number}: expected an object, found {short(record)}")
            else:
                yield objects.nothing(number)

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return record_columns(elements(path))

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return Objects(path, reading).read_columns(elements(path))

    def count(self, path: Path, reading: Reading) -> int:
        return count_matches(path, _BETWEEN) + 1


def elements(path: Path) -> Iterator[Any]:
    """Yield the elements of the list of a file. Raises `DataError` where there is none, or where it is broken."""
    with open_file(path) as file:
        text, name, number = JsonText(path, file), str(path), 1
        if text.peek() == "{":
            _enter(text, path)
        text.take("[", where := f"{path} row 1")
        while text.peek() != "]":
            if number > 1:
                text.take(",", where := f"{name} row {number}")
            yield text.value(where)
            number += 1
        text.refuse_growth()


def _enter(text: JsonText, path: Path) -> None:
    """Go to the first list of objects that stands under a key of the object that begins here."""
    where = f"{path} row 1"
    text.take("{", where)
    names: list[str] = []
    while text.peek() == '"':
        names.append(str(text.value(where)))
        text.take(":", where)
        if text.peek() == "[" and text.peek(beyond=1) == "{":
            return
        text.value(where)
        if text.peek() == ",":
            text.take(",", where)
    raise DataError(
        f"{path}: expected a list of objects, or an object with such a list under a key; its keys are "
        f"{short(names)}, none of which has one"
    )
