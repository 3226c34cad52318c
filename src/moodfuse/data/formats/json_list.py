"""JSON: a list of objects, or an object that holds such a list, read an object at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from json.decoder import JSONDecoder
from pathlib import Path
from typing import Any, NoReturn

from moodfuse.data.formats.base import Reader, Reading, Row, Run
from moodfuse.data.formats.fields import short
from moodfuse.data.formats.lines import file_encoding, first_line, open_file
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.values import Objects, need_columns, record_columns
from moodfuse.errors import DataError

_BLOCK = 1 << 16
_LONGEST = 64 * 2**20  # characters of a value
_LOOKED_AT = 1_000
_BLANKS = re.compile(r"[\s\ufeff]*")
#: How a file begins whose posts stand in a list under a key, where its first line is no object of its own.
_UNDER_A_KEY = re.compile(r'\s*\{\s*("[^"]*"\s*:\s*\[\s*(\{|$)|"[^"]*"\s*:\s*$|$)')


@reader
class JsonReader(Reader):
    """A list of objects as in JSON lines, by itself or under a key of an object (the first key that has one)."""

    name = "json"
    priority = 55  # before JSON lines: `{"data": [` begins with a brace, too
    suffixes = (".json",)

    def recognises(self, path: Path, header: str | None) -> bool:
        if header is None or path.suffix.lower() in (".jsonl", ".ndjson"):
            return False
        start = header.lstrip()
        if start.startswith("["):
            return start[1:].lstrip()[:1] in ("", "{")
        if not start.startswith("{"):
            return False
        try:
            value = json.loads(start)
        except (ValueError, RecursionError):
            return bool(_UNDER_A_KEY.match(start)) or (
                path.suffix.lower() in self.suffixes and len(start) < _BLOCK // 2
            )
        lists = [one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
        return len(lists) > 0 and not {"text", "image"} & set(value)

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        first_line(path)
        if not reading.strict or reading.columns:
            need_columns(islice(_elements(path), _LOOKED_AT), path, reading)
        objects = Objects(path, reading, file_encoding(path))
        for number, record in enumerate(_elements(path), start=1):
            if isinstance(record, dict):
                yield objects.row(record, number)
            elif reading.strict:
                raise DataError(f"{path} row {number}: expected an object, found {short(record)}")
            else:
                yield objects.nothing(number)

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return record_columns(_elements(path))

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return Objects(path, reading).read_columns(_elements(path))

    def count(self, path: Path, reading: Reading) -> int:
        return sum(1 for _ in _elements(path))

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        return self._runs(path, ((0, 0) for _ in self.rows(path, replace(reading, strict=False))), size)


class _Text:
    """The text of a file, a part of it in memory at a time: what is being parsed, and a block beyond."""

    def __init__(self, path: Path) -> None:
        self.path, self.text, self.at, self.row = path, "", 0, 0
        self._blocks = self._read()
        self._decoder = JSONDecoder()

    def _read(self) -> Iterator[str]:
        import codecs

        encoding = file_encoding(self.path)
        decoder = codecs.getincrementaldecoder(encoding.name)("replace")
        with open_file(self.path) as file:
            left = os.fstat(file.fileno()).st_size - encoding.mark
            file.seek(encoding.mark)
            while left > 0 and (block := file.read(min(_BLOCK, left))):  # what is added meanwhile is not read
                left -= len(block)
                yield decoder.decode(block, final=left <= 0)

    def more(self, least: int = 1) -> bool:
        """Read on; what has been parsed is let go. `False`: the file ends here."""
        parts = []
        for block in self._blocks:
            parts.append(block)
            least -= len(block)
            if least <= 0:
                break
        if parts:
            self.text, self.at = self.text[self.at :] + "".join(parts), 0
        return bool(parts)

    def peek(self) -> str:
        """Return the next character that is no blank; "" at the end."""
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, sign: str) -> None:
        if self.peek() != sign:
            self.wrong()
        self.at += 1

    def value(self) -> Any:
        """Parse the next value. Raises `DataError` for what is none, and for one of over 64 Mi characters."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or len(self.text) - self.at > _LONGEST:
                    self.wrong()
                if not self.more(len(self.text) - self.at):
                    self.wrong()
                continue
            if end == len(self.text) and self.more():  # a number may go on
                continue
            self.at = end
            return value

    def wrong(self) -> NoReturn:
        found = short(self.text[self.at : self.at + 60]) if self.text[self.at :] else "the end of the file"
        raise DataError(
            f"{self.path} row {self.row}: expected JSON, a list of objects of at most {_LONGEST >> 20} Mi characters "
            f"each, found {found}"
        )


def _elements(path: Path) -> Iterator[Any]:
    """Yield the elements of the list of a file. Raises `DataError` where there is none, or where it is broken."""
    text = _Text(path)
    if text.peek() == "{":
        _enter(text)
    else:
        text.row = 1
        if text.peek() != "[":
            text.wrong()
    text.take("[")
    text.row = 1
    if text.peek() == "]":
        return
    while True:
        yield text.value()
        text.row += 1
        if text.peek() == "]":
            return
        text.take(",")


def _enter(text: _Text) -> None:
    """Go to the first list of objects that stands under a key of the object that begins here."""
    path = text.path
    text.take("{")
    names: list[str] = []
    while text.peek() == '"':
        names.append(str(text.value()))
        text.take(":")
        if text.peek() == "[" and _holds_objects(text):
            return
        text.value()
        if text.peek() == ",":
            text.take(",")
    raise DataError(
        f"{path}: expected a list of objects, or an object with such a list under a key; its keys are "
        f"{short(names)}, none of which has one"
    )


def _holds_objects(text: _Text) -> bool:
    while True:
        following = _BLANKS.match(text.text, text.at + 1)
        if following and following.end() < len(text.text):
            return text.text[following.end()] == "{"
        if not text.more():
            return False
