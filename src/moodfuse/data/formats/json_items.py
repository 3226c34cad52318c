"""The items of arrays in large JSON files, one at a time: exports of chats and accounts are one such file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Reading, Role
from moodfuse.data.formats.encodings import Encoding
from moodfuse.data.formats.fields import json_id, short
from moodfuse.data.formats.json_text import JsonText
from moodfuse.data.formats.lines import open_file
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError


def json_items(path: Path, opening: re.Pattern[str]) -> Iterator[tuple[dict[str, Any], int, str]]:
    """Yield the objects of every array behind a match of `opening`: each, its number from 1, and where it stands.

    Raises `DataError` where there is no such array, and for what is no object or ends before its time.
    """
    with open_file(path) as file:
        text, number, found = JsonText(path, file), 0, False
        while text.go_behind(opening):
            found = True
            while (sign := text.peek()) != "]":
                if not sign:
                    raise DataError(f"{path}: ends in the middle of its posts; it is cut short: get it again")
                if sign == ",":
                    text.at += 1
                    continue
                number += 1
                where = f"{path} row {number}"
                item = text.value(where)
                if not isinstance(item, dict):
                    raise DataError(f"{where}: expected a JSON object, found {short(item)}")
                yield item, number, where
        if not found:
            raise DataError(f"{path}: holds no list of posts as this format has it; it may be cut short, or another")


def count_matches(path: Path, pattern: re.Pattern[bytes]) -> int:
    """Count what matches in a file, quickly; a match that two blocks share may be missed."""
    with open_file(path) as file:
        return sum(len(pattern.findall(block)) for block in iter(lambda: file.read(1 << 20), b""))


def item_value(item: dict[str, Any], role: Role, reading: Reading, usual: Any) -> Any:
    """Return what plays a role: the value of the key that `reading` names for it, else what is `usual`."""
    name = reading.columns.get(role)
    return usual if name is None else item.get(name)


def item_id(item: dict[str, Any], reading: Reading, usual: Any, where: str) -> str:
    """Return an item's id, empty where there is none.

    Raises `DataError`, if `reading.strict`, for one that is no string or whole number.
    """
    return json_id(item_value(item, "id", reading, usual), where, reading.strict)


def item_text(item: dict[str, Any], reading: Reading, usual: Any, encoding: Encoding | None) -> Decoded | None:
    """Return an item's text, of a file in `encoding`, by default UTF-8."""
    value = item_value(item, "text", reading, usual)
    if value is None:
        return None
    return Decoded(str(value), "utf-8") if encoding is None else encoding.decoded(str(value))


def item_label(item: dict[str, Any], reading: Reading) -> str | None:
    """Return the label that somebody has added to an item, under `label` or the key that `reading` names."""
    value = item_value(item, "label", reading, item.get("label"))
    return None if value is None else str(value)
