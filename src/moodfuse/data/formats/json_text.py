"""The text of a large JSON file, a part of it in memory at a time."""

from __future__ import annotations

import codecs
import json
import os
import re
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from moodfuse.data.formats.fields import short
from moodfuse.data.formats.lines import file_encoding, refuse_growth
from moodfuse.errors import DataError

_BLOCK = 1 << 16
_LONGEST = 1 << 26  # characters of a value: beyond them a file is broken, not a value long
_LONGEST_OPENING = 200  # characters of what may match `opening`
_SIGN = re.compile(r"[^\s\ufeff]")
_DECODER = json.JSONDecoder()


class JsonText:
    """The part of a file that is looked at, and the place `at` which reading has reached in it.

    Reading on raises `DataError` for a file that has grown since it was opened.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.text, self.at = "", 0
        self.encoding = file_encoding(path)
        self._path, self._file = path, file
        self._size = os.fstat(file.fileno()).st_size
        self._decoder = codecs.getincrementaldecoder(self.encoding.name)("replace")
        file.seek(self.encoding.mark)

    def go_behind(self, opening: re.Pattern[str]) -> bool:
        """Move behind the next match; say whether there is one."""
        while (match := opening.search(self.text, self.at)) is None:
            self.at = max(self.at, len(self.text) - _LONGEST_OPENING)
            if not self._more():
                return False
        self.at = match.end()
        return True

    def peek(self, beyond: int = 0) -> str:
        """Move to the next character that is no blank, and return it; "" at the end.

        With `beyond`, look from so many characters on, and stay.
        """
        while (match := _SIGN.search(self.text, self.at + beyond)) is None:
            if not beyond:
                self.at = len(self.text)
            if not self._more():
                return ""
        if not beyond:
            self.at = match.start()
        return match[0]

    def take(self, sign: str, where: str) -> None:
        """Move behind the next character that is no blank. Raises `DataError` where it is another than `sign`."""
        if self.peek() != sign:
            self._wrong(where, f"{sign!r} is missing")
        self.at += 1

    def value(self, where: str) -> Any:
        """Move behind the next JSON value, and return it. Raises `DataError` for none, and for one without end."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self._is_broken(error) or not self._more():
                    self._wrong(where, error)
            except (RecursionError, ValueError) as error:  # brackets without end, a number of thousands of digits
                self._wrong(where, error)
            else:
                if end == len(self.text) and self._more():  # a number may go on
                    continue
                self.at = end
                return value

    def refuse_growth(self) -> None:
        """Raise `DataError` where somebody has written to the file since it was opened."""
        refuse_growth(self._path, os.fstat(self._file.fileno()).st_size, self._size)

    def _is_broken(self, error: json.JSONDecodeError) -> bool:
        """Say whether more of the file would not mend it: the error is not what a value gives that is cut."""
        cut = error.msg.startswith("Unterminated string") or error.pos > len(self.text) - 16
        return not cut or len(self.text) - self.at > _LONGEST

    def _wrong(self, where: str, reason: object) -> NoReturn:
        found = short(self.text[self.at : self.at + 80]) if self.text[self.at :] else "the end of the file"
        raise DataError(f"{where}: expected a JSON object, found {found} ({reason})")

    def _more(self) -> bool:
        """Let go of what lies behind, and read as much again as is held: a long value is then parsed few times.

        `False`: the file ends here.
        """
        raw = self._file.read(max(_BLOCK, len(self.text) - self.at))
        self.refuse_growth()
        self.text, self.at = self.text[self.at :] + self._decoder.decode(raw, final=not raw), 0
        return bool(raw)
