"""What a cell, a column or a JSON value says of a post's images, and where the files lie that it names."""

from __future__ import annotations

import ast
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import numpy as np
from PIL import Image

from moodfuse.data.formats.base import Row
from moodfuse.data.formats.fields import base64_bytes, held_in, in_words, short
from moodfuse.data.image_finding import IMAGE_SUFFIXES, find_file
from moodfuse.data.posts import ImageRef, ImageUri
from moodfuse.errors import DataError
from moodfuse.progress import Notify

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|//[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}/", re.I)
_BETWEEN = re.compile(r"[;|,\n]")
_BETWEEN_ADDRESSES = re.compile(r"[;|,\s]+")
_NONE = frozenset({"", "null", "none", "nan", "n/a", "na", "-", "[]"})
#: Where a mapping holds an image's address or path.
_KEYS = ("url", "path", "src", "uri", "file", "file_name")
#: Lists that stand in one another; a cell may hold thousands of brackets.
_DEEPEST = 8
#: Rows that are looked at before it is said that no image is there.
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: paths are relative to `folder`, `where` is for the error that `strict` asks for."""

    folder: Path
    where: str = ""
    strict: bool = False
    #: How many lists it stands in.
    depth: int = 0

    def unreadable(self, problem: str) -> list[ImageRef]:
        """Return an image that cannot be read, which a value that is none stands for; raise `DataError` if strict."""
        if self.strict:
            raise DataError(f"{self.where}: {problem}" if self.where else problem)
        return [ImageRef(b"")]


def image_refs(folder: Path, value: Any, *, where: str = "", strict: bool = False) -> list[ImageRef]:
    """Return the images that a value names: none, one, or several, in order.

    A string is a path relative to `folder` (or absolute), an address, a data URI, or several of them between `;`, `|`
    or commas, or as a JSON list. A list holds such values; a mapping holds one under `base64`, `bytes`, `path` or
    `url`. What names a file that is not there stays a reference to it. Anything else is an image that cannot be read,
    and if `strict` a `DataError` that names the place `where`.
    """
    return _refs(_Place(folder, where, strict), value)


def _refs(place: _Place, value: Any) -> list[ImageRef]:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return []
    if isinstance(value, str | Path):
        return _of_string(place, str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return [ImageRef(bytes(value))]
    if isinstance(value, Mapping):
        return _of_mapping(place, value)
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1):
        if place.depth == _DEEPEST:
            return place.unreadable(f"expected images, found lists in lists, more than {_DEEPEST} deep")
        inner = replace(place, depth=place.depth + 1)
        return [ref for one in value for ref in _refs(inner, one)]
    if isinstance(value, Image.Image):
        return [ImageRef(_encoded(value))]
    return place.unreadable(
        f"expected a path, bytes, an address, a Pillow image or a list of them as image, found {short(value)}"
    )


def watched(rows: Iterator[Row], notify: Notify) -> Iterator[Row]:
    """Yield the rows; tell where none of the images that they name is there.

    Raises `DataError`, before any row is given, where they hold no text either. The first thousand that name an
    image decide.
    """
    held: list[Row] = []
    named, texts = 0, False
    missing: tuple[Row, Path] | None = None
    for row in rows:
        if texts and not row.images:
            yield row
            continue
        if _is_there(row):
            yield from [*held, row]
            yield from rows
            return
        if files := _files(row):
            named += 1
            missing = missing or (row, files[0])
        texts = texts or (row.text is not None and bool(row.text.text.strip()))
        held.append(row)
        if texts:
            yield from held
            held.clear()
        if named == _ROWS:
            break
    if missing is not None:
        message = _not_there(missing[0].where, missing[1])
        if not texts:
            raise DataError(f"{message}; mend the paths: they are relative to the folder of the file that names them")
        notify(f"warning: {message}; the posts are read without their images")
    yield from held
    yield from rows


def _is_there(row: Row) -> bool:
    return any(not isinstance(one.source, Path) or os.path.exists(one.source) for one in row.images)  # noqa: PTH110 (NUL)


def _files(row: Row) -> list[Path]:
    return [one.source for one in row.images if isinstance(one.source, Path)]


def _not_there(where: Path | str, missing: Path) -> str:
    folder = missing.parent
    there = os.path.isdir(folder)  # noqa: PTH112 (a Path raises where a name is too long)
    holds = f"{_shown(folder)} holds {in_words(held_in(folder))}" if there else f"there is no folder {_shown(folder)}"
    return f"{where}: none of the images that it names is there; looked for {_shown(missing)}, {holds}"


def _shown(path: Path) -> str:
    return str(path)[:400].replace("\n", " ")


def _of_string(place: _Place, text: str) -> list[ImageRef]:
    value = _unquoted(text)
    if value.lower() in _NONE:
        return []
    if value[:5].lower() == "data:":
        return _of_data_uri(place, value)
    if value[0] == "[" and (listed := _listed(value)) is not None:
        return _refs(place, listed)
    if _ADDRESS.match(value) is None and (path := _found(place.folder, value)) is not None:
        return [ImageRef(path)]
    parts = _parts(value)
    if len(parts) == 1:
        return [_named(place.folder, value)]
    return [ref for part in parts for ref in _of_string(place, part)]


def _named(folder: Path, value: str) -> ImageRef:
    if (address := _ADDRESS.match(value)) is None:
        return ImageRef(folder / value)
    if address[0].startswith("//"):
        return ImageUri(b"", f"https:{value}")
    if value[:7].lower() != "file://":
        return ImageUri(b"", value)
    path = urlsplit(value).path
    return ImageRef(find_file(path) or find_file(unquote(path)) or Path(unquote(path)))


def _found(folder: Path, value: str) -> Path | None:
    """Return the file that a cell names as it stands or, failing that, with `/` for `\\` and without %-encoding."""
    start = str(folder)
    for spelling in dict.fromkeys((value, value.replace("\\", "/"), unquote(value), unquote(value).replace("\\", "/"))):
        if (path := find_file(os.path.join(start, spelling))) is not None:  # noqa: PTH118 (a `Path` for each costs time)
            return path
    return None


def _parts(value: str) -> list[str]:
    """Return the images that a string names, where that is more than one: names of images, then addresses."""
    if _ADDRESS.match(value):
        parts = [part for part in _BETWEEN_ADDRESSES.split(value) if part]
        return parts if all(map(_ADDRESS.match, parts)) else [value]
    parts = [part.strip() for part in _BETWEEN.split(value) if part.strip()]
    addresses = [_ADDRESS.match(part) is not None for part in parts]
    # A name behind an address may as well be the address's own end.
    if sorted(addresses) != addresses or not all(a or _is_name(p) for a, p in zip(addresses, parts, strict=True)):
        return [value]
    return parts


def _is_name(part: str) -> bool:
    return part.lower().rstrip("\"'").endswith(IMAGE_SUFFIXES)


def _unquoted(text: str) -> str:
    value = text.strip()
    return value[1:-1].strip() if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _listed(value: str) -> list[Any] | None:
    """Return the list that a cell holds, as JSON or as Python prints it; `None` for none."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    return None


def _of_data_uri(place: _Place, value: str) -> list[ImageRef]:
    """Return the image of a data URI (RFC 2397)."""
    head, _, body = value.partition(",")
    data = _decoded(unquote(body)) if head.lower().endswith(";base64") else unquote_to_bytes(body)
    return place.unreadable("the data URI is no valid base64") if data is None else [ImageRef(data)]


def _decoded(text: str) -> bytes | None:
    try:
        return base64_bytes(text)
    except ValueError:
        return None


def _of_mapping(place: _Place, value: Mapping[str, Any]) -> list[ImageRef]:
    if isinstance(value.get("base64"), str):
        data = _decoded(value["base64"])
        return place.unreadable("the image is no valid base64") if data is None else [ImageRef(data)]
    if isinstance(value.get("bytes"), bytes | bytearray | memoryview):
        return [ImageRef(bytes(value["bytes"]))]
    for key in _KEYS:
        if isinstance(value.get(key), str | Path):
            return _refs(place, value[key])
    if set(value) <= {"bytes", "path"}:  # what Hugging Face `datasets` writes for no image
        return []
    return place.unreadable(f'expected null, a path, an address or {{"base64": ...}} as image, found {short(value)}')


def _encoded(image: Image.Image) -> bytes:
    """Return a Pillow image as PNG, which keeps every pixel."""
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
