"""What a value of a typed table stands for: Parquet, data frames and datasets share these rules with JSON lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from moodfuse.data.formats.base import Reading, Row
from moodfuse.data.formats.columns import Columns, assign_columns, need_text_or_image, rank_of
from moodfuse.data.formats.encodings import Encoding, decode
from moodfuse.data.formats.fields import json_id, json_text
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.posts import ImageRef
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError

_KNOWN = 1_000  # sets of keys that are remembered


@dataclass(frozen=True, slots=True)
class Typed:
    """How the rows of a typed table become posts.

    Image paths are relative to the file `where`, in memory (`where` is no path) to the working folder. `names` are
    what whole numbers stand for as labels.
    """

    where: Path | str
    columns: Columns
    reading: Reading
    names: Sequence[str] | None = None
    encoding: Encoding | None = None
    _folder: Path = field(init=False)
    #: Where id, text and label stand, -1 where there is none; and where images stand.
    _at: tuple[int, int, int] = field(init=False)
    _images_at: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        places = self.columns.places
        object.__setattr__(self, "_folder", self.where.parent if isinstance(self.where, Path) else Path())
        object.__setattr__(self, "_at", (places.get("id", -1), places.get("text", -1), places.get("label", -1)))
        looked_for = "image" in places and not self.reading.answers
        images = (places["image"], *self.columns.more_images) if looked_for else ()
        object.__setattr__(self, "_images_at", images)

    def row(
        self, values: Sequence[Any], number: int, fields: Mapping[str, Any] | None = None, *, line: int | None = None
    ) -> Row:
        """Return the post of row `number` (from 1), on `line` of a file of lines, from its values in their order.

        Raises `DataError` for a value of the wrong kind, where `reading.strict` asks for it.
        """
        unit: Literal["line", "row"] = "row" if line is None else "line"
        strict = self.reading.strict
        place = f"{self.where!s} {unit} {line or number}" if strict else ""  # for an error, which only then there is
        id_at, text_at, label_at = self._at
        images: list[ImageRef] = []
        for at in self._images_at:
            if (given := _plain(values[at])) is not None:
                images += image_refs(self._folder, given, where=place, strict=strict)
        return Row(
            self.where,
            line or number,
            str(number) if id_at < 0 else json_id(_plain(values[id_at]), place, strict),
            None if text_at < 0 else _text(_plain(values[text_at]), place, strict, self.encoding),
            tuple(images),
            None if label_at < 0 else _label(_plain(values[label_at]), self.names, place, strict),
            unit,
            None,  # not left out
            fields,
        )


def typed(names: Iterable[str], where: Path | str, reading: Reading) -> Typed:
    """Find out which column of a typed table is for what, and tell it.

    Raises `DataError` where there is neither text nor image.
    """
    names = list(names)
    columns = assign_columns(names, str(where), reading)
    need_text_or_image(columns, names, str(where), reading)
    if columns.told:
        reading.notify(columns.told)
    return Typed(where, columns, reading)


class Objects:
    """Records that name their own columns, each its own; the first that has something to tell of them is told."""

    def __init__(self, where: Path | str, reading: Reading, encoding: Encoding | None = None) -> None:
        self.where, self.reading, self.encoding = where, reading, encoding
        self._known: dict[tuple[str, ...], Typed] = {}
        self._told = False

    def row(self, record: Mapping[Any, Any], number: int, *, line: int | None = None) -> Row:
        """Return the post of a record. Raises `DataError` for a wrong value, if `reading.strict` asks for it."""
        names = tuple(record)
        found = self._known.get(names)
        if found is None:
            names = tuple(map(str, names))  # those of JSON are text already
            found = self._known.get(names)
        if found is None:
            found = self._typed(names, f"{self.where} {'row' if line is None else 'line'} {line or number}")
            if len(self._known) < _KNOWN:
                self._known[names] = found
        fields = dict(zip(names, record.values(), strict=True)) if self.reading.fields else None
        return found.row(list(record.values()), number, fields, line=line)

    def read_columns(self, records: Iterable[Any]) -> tuple[str, ...]:
        """Return the keys of all records that are read as id, text, image or label."""
        sets = dict.fromkeys(tuple(map(str, record)) for record in records if isinstance(record, Mapping))
        found: dict[str, None] = {}
        for names in sets:
            try:
                found |= dict.fromkeys(self._typed(names, str(self.where)).columns.names(names))
            except DataError:  # of such records nothing is read
                continue
        return tuple(found)

    def nothing(self, number: int, *, line: int | None = None) -> Row:
        """Return the post of what is no record: there is nothing to read."""
        unit: Literal["line", "row"] = "row" if line is None else "line"
        fields: dict[str, Any] | None = {} if self.reading.fields else None
        return Row(self.where, line or number, str(number), None, (), None, unit, fields=fields)

    def _typed(self, names: tuple[str, ...], place: str) -> Typed:
        there = {name.strip().lower() for name in names}
        named = {role: name for role, name in self.reading.columns.items() if name.strip().lower() in there}
        columns = assign_columns(names, place, replace(self.reading, columns=named))
        # A record that lacks the column that was named has none for it.
        missing = set(self.reading.columns) - set(named)
        columns = replace(columns, places={role: at for role, at in columns.places.items() if role not in missing})
        if self.reading.strict:
            need_text_or_image(columns, names, place, self.reading)
        if columns.told and not self._told:
            self._told = True
            self.reading.notify(columns.told)
        return Typed(self.where, columns, self.reading, encoding=self.encoding)


def record_columns(records: Iterable[Any]) -> tuple[str, ...]:
    """Return the keys of all records, in the order in which they first stand."""
    names: dict[str, None] = {}
    for record in records:
        if isinstance(record, Mapping):
            names.update(dict.fromkeys(map(str, record)))
    return tuple(names)


def need_columns(records: Iterable[Any], where: Path | str, reading: Reading) -> tuple[str, ...]:
    """Return all keys of records. Raises `DataError` where none has a text, an image or a column that was named."""
    names = record_columns(records)
    there = {name.strip().lower() for name in names}
    lacking = [name for name in reading.columns.values() if name.strip().lower() not in there]
    known = any((rank_of(name) or ("",))[0] in ("text", "image") for name in names)
    if names and (lacking or not (known or {"text", "image"} & set(reading.columns))):
        need_text_or_image(assign_columns(names, str(where), reading), names, str(where), reading)
    return names


def _plain(value: Any) -> Any:
    """Return a value without NumPy, and `None` for nothing."""
    if value is None or type(value) is str:
        return value
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: Any, place: str, strict: bool, encoding: Encoding | None) -> Decoded | None:
    if isinstance(value, bytes):
        return decode(value)
    text = json_text(value, place, strict)
    if text is None:
        return None
    return Decoded(text, "utf-8") if encoding is None else encoding.decoded(text)


def _label(value: Any, names: Sequence[str] | None, place: str, strict: bool) -> str | None:
    if value is None:
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
