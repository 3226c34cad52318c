"""What a column, a cell or a JSON value stands for: the readers share these rules."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from moodfuse.data.formats.lines import cannot_read
from moodfuse.errors import DataError

_DECODER = json.JSONDecoder()
_DATA_URI = re.compile(r"\A\s*data:[^,]{0,200};base64,", re.IGNORECASE)


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return column names as they are, a number behind those that stood before."""
    found: dict[str, None] = {}
    for name in names:
        number, free = 1, name
        while free in found:
            number, free = number + 1, f"{name}_{number + 1}"
        found[free] = None
    return tuple(found)


def names_files(guid: str) -> bool:
    """Say whether files named by a guid lie in the folder where they are looked for: nowhere else, ever."""
    outside = any(part in guid for part in ("/", "\\", "\0", "..")) or os.path.splitdrive(guid)[0]
    return bool(guid) and not outside and not (os.name == "nt" and ":" in guid)


def held_in(folder: Path) -> tuple[str, ...]:
    """Return the names of what a folder holds, in order; listed anew only when the folder has changed.

    Raises `DataError` where it cannot be read.
    """
    try:
        return _held_in(folder, folder.stat().st_mtime_ns)
    except OSError as error:
        cannot_read(folder, error)


@lru_cache(maxsize=4)
def _held_in(folder: Path, _changed: int) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir()))


def in_words(held: Sequence[str]) -> str:
    """Return what a folder holds for an error message: five names at most, and how many more there are."""
    more = f" and {len(held) - 5:,} more" if len(held) > 5 else ""
    return ", ".join(held[:5]) + more if held else "nothing"


def json_object(line: str, where: Path | str, number: int = 0) -> dict[str, Any]:
    """Parse a line that holds one JSON object. Raises `DataError` for anything else: for the line `number` of `where`.

    Without a number `where` is the whole place.
    """
    if (found := _object(line)) is not None:
        return found
    place = f"{where!s} line {number}" if number else where
    try:
        value = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: expected one JSON object, found {short(line.strip())} ({error})") from None
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected one JSON object, found {short(value)}")
    return value


def _object(line: str) -> dict[str, Any] | None:
    """Return the object of a line that holds nothing else, in half the time of `json.loads`; `None` for other lines."""
    text = line.strip(" \t\r\n")
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) and isinstance(value, dict) else None


def json_id(value: Any, where: str, strict: bool = True) -> str:
    """Return an id: a string or a whole number, nothing as "". Raises `DataError` if `strict` for anything else."""
    if value is None:
        return ""
    if isinstance(value, str) and value.isascii():
        return value
    if type(value) is int:
        return str(value)
    if strict and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise DataError(f"{where}: expected a string or a whole number as id, found {short(value)}")
    # A lone surrogate could not be written out.
    return as_text(value).encode("utf-8", "backslashreplace").decode()


def json_text(value: Any, where: str, strict: bool) -> str | None:
    """Return a text: a string, or a number as it is written. Raises `DataError` if `strict` for anything else."""
    if value is None or isinstance(value, str):
        return value
    if strict and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise DataError(f"{where}: expected a string or null as text, found {short(value)}")
    return as_text(value)


def as_text(value: Any) -> str:
    """Return the text of any JSON value."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def base64_bytes(value: str) -> bytes:
    """Return what base64 stands for; blanks in it, and the beginning of a data URI, are passed over.

    Raises `ValueError` for what is no base64.
    """
    return base64.b64decode("".join(_DATA_URI.sub("", value, count=1).split()), validate=True)


def short(value: Any) -> str:
    """Return a value for an error message: 80 characters at most, nothing unprintable."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} of very many levels"
    return text if len(text) <= 80 else text[:77] + "..."
