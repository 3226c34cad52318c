"""The items of arrays in large JSON files, one at a time: exports of chats and accounts are one such file."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from moodfuse.data.formats.base import Reading, Role
from moodfuse.data.formats.fields import json_id, short
from moodfuse.data.formats.lines import open_file
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError

_BLOCK = 1 << 16
_LONGEST_ITEM = 1 << 26  # characters: beyond them a file is broken, not an item long
_LONGEST_OPENING = 200  # characters of what may match `opening`
_SIGN = re.compile(r"\S")
_UNDECODED = re.compile("[\udc80-\udcff]+")


def json_items(path: Path, opening: re.Pattern[str]) -> Iterator[tuple[dict[str, Any], int, str]]:
    """Yield the objects of every array behind a match of `opening`: each, its number from 1, and where it stands.

    Raises `DataError` where there is no such array, and for what is no object or ends before its time.
    """
    with open_file(path) as file:
        window, number, found = _Window(path, file), 0, False
        while window.go_behind(opening):
            found = True
            while (sign := window.next_sign()) != "]":
                if sign == ",":
                    window.at += 1
                    continue
                number += 1
                where = f"{path} row {number}"
                item = window.value(where)
                if not isinstance(item, dict):
                    raise DataError(f"{where}: expected a JSON object, found {short(item)}")
                yield item, number, where
        if not found:
            raise DataError(f"{path}: holds no list of posts as this format has it; it may be cut short, or another")


def count_matches(path: Path, pattern: re.Pattern[bytes]) -> int:
    """Count what matches in a file, quickly; a match that two blocks share may be missed."""
    with open_file(path) as file:
        return sum(len(pattern.findall(block)) for block in iter(lambda: file.read(1 << 20), b""))


def head_of(path: Path) -> str:
    """Return how a text file begins."""
    with open_file(path) as file:
        return file.read(_BLOCK).decode("utf-8", "replace")


def item_value(item: dict[str, Any], role: Role, reading: Reading, usual: Any) -> Any:
    """Return what plays a role: the value of the key that `reading` names for it, else what is `usual`."""
    name = reading.columns.get(role)
    return usual if name is None else item.get(name)


def item_id(item: dict[str, Any], reading: Reading, usual: Any, where: str) -> str:
    """Return an item's id, empty where there is none. Raises `DataError` for one that is no string or whole number."""
    value = item_value(item, "id", reading, usual)
    return "" if value is None else json_id(value, where)


def item_text(item: dict[str, Any], reading: Reading, usual: Any) -> Decoded | None:
    """Return an item's text; bytes that were no UTF-8 are replaced and said to be."""
    value = item_value(item, "text", reading, usual)
    if value is None:
        return None
    text, broken = _UNDECODED.subn("\ufffd", str(value))
    return Decoded(text, "utf-8", lossy=broken > 0)


def item_label(item: dict[str, Any], reading: Reading) -> str | None:
    """Return the label that somebody has added to an item, under `label` or the key that `reading` names."""
    value = item_value(item, "label", reading, item.get("label"))
    return None if value is None else str(value)


class _Window:
    """The part of a file that is looked at, and the place `at` which reading has reached in it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.text, self.at = "", 0
        self._path, self._file = path, file
        self._size, self._read = os.fstat(file.fileno()).st_size, 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._ended = False

    def go_behind(self, opening: re.Pattern[str]) -> bool:
        """Move behind the next match; say whether there is one."""
        while (match := opening.search(self.text, self.at)) is None:
            if self._ended:
                return False
            self.at = max(self.at, len(self.text) - _LONGEST_OPENING)
            self._read_on()
        self.at = match.end()
        return True

    def next_sign(self) -> str:
        """Move to the next character that is no blank, and return it."""
        while (match := _SIGN.search(self.text, self.at)) is None:
            if self._ended:
                raise DataError(f"{self._path}: ends in the middle of its posts; it is cut short: get it again")
            self.at = len(self.text)
            self._read_on()
        self.at = match.start()
        return match[0]

    def value(self, where: str) -> Any:
        """Move behind the JSON value that begins here, and return it."""
        while True:
            try:
                value, self.at = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self._ended or self._is_broken(error):
                    found = short(self.text[self.at : self.at + 80])
                    raise DataError(f"{where}: expected a JSON object, found {found} ({error})") from None
                self._read_on()
            except (RecursionError, ValueError) as error:  # brackets without end, a number of thousands of digits
                raise DataError(f"{where}: expected a JSON object, found what cannot be read ({error})") from None
            else:
                return value

    def _is_broken(self, error: json.JSONDecodeError) -> bool:
        """Say whether more of the file would not mend it: the error is not what a value gives that is cut."""
        cut = error.msg.startswith("Unterminated string") or error.pos > len(self.text) - 16
        return not cut or len(self.text) - self.at > _LONGEST_ITEM

    def _read_on(self) -> None:
        """Let go of what lies behind, and read as much again as is held: a long value is then parsed few times."""
        raw = self._file.read(max(_BLOCK, len(self.text) - self.at))
        self._read += len(raw)
        if self._read > self._size:
            raise DataError(f"{self._path}: somebody writes to it while it is read; wait for the end, or read a copy")
        self.text, self.at = self.text[self.at :] + self._decoder.decode(raw, final=not raw), 0
        self._ended = not raw


_DECODER = json.JSONDecoder()
