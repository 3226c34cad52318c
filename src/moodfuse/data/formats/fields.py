"""What a column, a cell or a JSON value stands for: the readers share these rules."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moodfuse.data.formats.lines import Record, cannot_read
from moodfuse.errors import DataError

#: What a column or key may be called.
NAMES = {"id": ("id", "guid"), "text": ("text",), "image": ("image",), "label": ("label", "tag", "sentiment")}


def columns(header: str | None, delimiter: str) -> list[str]:
    """Split a header line into column names as they are compared: without blanks around, lower case."""
    try:
        return [name.strip().lower() for name in next(csv.reader([header or ""], delimiter=delimiter), [])]
    except csv.Error:  # a carriage return in the middle: the line is no header
        return []


def roles(names: Iterable[str], where: str) -> dict[str, int]:
    """Return the place of each role (id, text, image, label) among column names; other columns are ignored.

    Raises `DataError` where two columns claim one role.
    """
    found = [name.strip().lower() for name in names]
    result = {}
    for role, known in NAMES.items():
        places = [place for place, name in enumerate(found) if name in known]
        if len(places) > 1:
            both = " and ".join(found[place] for place in places)
            raise DataError(f"{where}: expected one column for the {role}, found {both}; rename or remove one")
        if places:
            result[role] = places[0]
    return result


def need_text_or_image(found: Mapping[str, int], names: Iterable[str], where: str) -> None:
    """Raise `DataError`, naming the columns found, where there is neither text nor image."""
    if "text" not in found and "image" not in found:
        raise DataError(
            f"{where}: expected a text or an image column (and id or guid, label or tag or sentiment), "
            f"found {short(list(names))}; name the columns in the first line"
        )


def values_by_role(record: Record, found: Mapping[str, int], path: Path, strict: bool) -> dict[str, str | None]:
    """Return the cells of a record by role, `None` where the record is too short (refused if `strict`).

    Raises `DataError` for a record that has more cells than the header.
    """
    expected = record.columns
    surplus = any(value.strip() for value in record.values[expected:])
    if surplus or (strict and len(record.values) < expected):
        raise DataError(
            f"{path} line {record.line}: expected {expected} cells as in the header, found {len(record.values)}; "
            "put a cell that holds separators between quotes"
        )
    return {role: record.values[at] if at < len(record.values) else None for role, at in found.items()}


def names_files(guid: str) -> bool:
    """Say whether files named by a guid lie in the folder where they are looked for: nowhere else, ever."""
    outside = any(part in guid for part in ("/", "\\", "\0", "..")) or os.path.splitdrive(guid)[0]
    return bool(guid) and not outside and not (os.name == "nt" and ":" in guid)


def held_in(folder: Path) -> list[str]:
    """Return the names of what a folder holds, in order. Raises `DataError` where it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        cannot_read(folder, error)


def in_words(held: Sequence[str]) -> str:
    """Return what a folder holds for an error message: five names at most, and how many more there are."""
    more = f" and {len(held) - 5:,} more" if len(held) > 5 else ""
    return ", ".join(held[:5]) + more if held else "nothing"


def json_object(line: str, where: str) -> dict[str, Any]:
    """Parse a line that holds one JSON object. Raises `DataError` for anything else."""
    try:
        value = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected one JSON object, found {short(line.strip())} ({error})") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected one JSON object, found {short(value)}")
    return value


def json_id(value: Any, where: str) -> str:
    """Return an id: a string or a whole number. Raises `DataError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: expected a string or a whole number as id, found {short(value)}")
    return str(value).encode("utf-8", "backslashreplace").decode()  # a lone surrogate could not be written out


def short(value: Any) -> str:
    """Return a value for an error message: 80 characters at most, nothing unprintable."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
