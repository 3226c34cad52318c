"""What a value of a typed table stands for: Parquet, data frames and datasets share these rules with JSON lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse.data.formats.base import Row
from moodfuse.data.formats.fields import json_id, need_text_or_image, roles, short
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.text import Decoded, decode
from moodfuse.errors import DataError


def typed_row(
    values: Mapping[str, Any], number: int, where: Path | str, strict: bool, names: Sequence[str] | None = None
) -> Row:
    """Return the post of row `number` (from 1) from its values by role.

    Image paths are relative to the file `where`, in memory (`where` is no path) to the working folder. `names` are
    what whole numbers stand for as labels. Raises `DataError` for a value of the wrong kind.
    """
    place = f"{where} row {number}"
    values = {role: value.item() if isinstance(value, np.generic) else value for role, value in values.items()}
    folder = where.parent if isinstance(where, Path) else Path()
    images = image_refs(folder, values.get("image"), where=place, strict=strict)
    return Row(
        where,
        number,
        _id(values["id"], place) if "id" in values else str(number),
        _text(values.get("text"), place),
        images[0] if images else None,
        _label(values.get("label"), names, place, strict),
        unit="row",
        more_images=tuple(images[1:]),
    )


def record_row(record: Any, number: int, where: str, strict: bool) -> Row:
    """Return the post of a record that names its own columns."""
    place = f"{where} row {number}"
    if not isinstance(record, Mapping):
        raise DataError(f"{place}: expected a mapping with the keys id, text, image, label, found {short(record)}")
    found = table_roles(map(str, record), place)
    given = list(record.values())
    return typed_row({role: given[at] for role, at in found.items()}, number, where, strict)


def table_roles(names: Iterable[str], where: str) -> dict[str, int]:
    """Return the place of each role among column names. Raises `DataError` where there is neither text nor image."""
    names = list(names)
    found = roles(names, where)
    need_text_or_image(found, names, where)
    return found


def _id(value: Any, place: str) -> str:
    if _nothing(value):
        return ""  # training refuses it, prediction passes it through
    return json_id(value, place)


def _text(value: Any, place: str) -> Decoded | None:
    if _nothing(value):
        return None
    if isinstance(value, bytes):
        return decode(value)
    if not isinstance(value, str):
        raise DataError(f"{place}: expected a string as text, found {short(value)}")
    return Decoded(value, "utf-8")


def _label(value: Any, names: Sequence[str] | None, place: str, strict: bool) -> str | None:
    if _nothing(value):
        return None
    if names is None or not isinstance(value, int):
        return str(value)
    if value == -1:  # Hugging Face `datasets` writes it where there is no label
        return None
    if 0 <= value < len(names):
        return names[value]
    if strict:
        raise DataError(f"{place}: expected the number of a label, 0 to {len(names) - 1}, found {value}")
    return None


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
