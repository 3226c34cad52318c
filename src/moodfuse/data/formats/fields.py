"""What a column, a cell or a JSON value stands for: the readers share these rules."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from moodfuse.data.formats.encodings import decode
from moodfuse.data.formats.lines import cannot_read, open_file, read_capped
from moodfuse.data.posts import ImageRef, ImageUri
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".JPG", ".JPEG", ".PNG")
_MAX_TEXT_BYTES = 16 * 2**20
_DATA_URI = re.compile(r"\A\s*data:[^,]{0,200};base64,", re.IGNORECASE)
_URI = re.compile(r"[a-z][a-z0-9+.-]+://")


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return column names as they are, a number behind those that stood before."""
    found: dict[str, None] = {}
    for name in names:
        number, free = 1, name
        while free in found:
            number, free = number + 1, f"{name}_{number + 1}"
        found[free] = None
    return tuple(found)


def files_beside(folder: Path, guid: str, strict: bool) -> tuple[Decoded | None, ImageRef | None]:
    """Read GUID.txt and find GUID.jpg (or another image) in `folder`; `None` for each that is not there.

    A guid that could name a file elsewhere has no files. Raises `DataError` if `strict` and the text may not be read.
    """
    if not names_files(guid):
        return None, None
    # Names, not paths: a `Path` for every name that might be there costs time, and a place in a table of Python's own.
    start = os.path.join(folder, guid)  # noqa: PTH118
    names = (start + suffix for suffix in IMAGE_SUFFIXES)
    image = next((ImageRef(Path(name)) for name in names if os.path.exists(name)), None)  # noqa: PTH110 (Path raises on NUL)
    if not os.path.exists(f"{start}.txt"):  # noqa: PTH110
        return None, image
    text = Path(f"{start}.txt")
    try:
        with open_file(text) as file:
            return decode(read_capped(file, _MAX_TEXT_BYTES)), image
    except (OSError, DataError) as error:
        if not strict:
            return None, image
        if isinstance(error, OSError):
            cannot_read(text, error)
        raise


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


def image_file(folder: Path, value: str | None) -> ImageRef | None:
    """Return the image that a cell names, relative to `folder` or by a URI; `None` where it names no file there is."""
    if not value or not value.strip():
        return None
    if _URI.match(value.strip()):
        return ImageUri(b"", value.strip())
    path = folder / value.strip()
    return ImageRef(path) if os.path.exists(path) else None  # noqa: PTH110


def image_refs(folder: Path, value: str | None) -> list[ImageRef]:
    """Return the images that a cell names: one, several with semicolons, bars or line ends between, or a JSON list."""
    if not value or not value.strip():
        return []
    names = [value]
    if value.lstrip().startswith("["):
        try:
            listed = json.loads(value)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list):
            names = [name for name in listed if isinstance(name, str)]
    elif any(sign in value for sign in ";|\n") and image_file(folder, value) is None:
        names = re.split(r"[;|\n]", value)
    return [image for name in names if (image := image_file(folder, name)) is not None]


def json_object(line: str, where: str) -> dict[str, Any]:
    """Parse a line that holds one JSON object. Raises `DataError` for anything else."""
    try:
        value = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected one JSON object, found {short(line.strip())} ({error})") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected one JSON object, found {short(value)}")
    return value


def json_id(value: Any, where: str, strict: bool = True) -> str:
    """Return an id: a string or a whole number, nothing as "". Raises `DataError` if `strict` for anything else."""
    if value is None:
        return ""
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


def json_images(value: Any, folder: Path, where: str, strict: bool) -> list[ImageRef]:
    """Return the images of `null`, a path or several, `{"base64": ...}`, or a list of those.

    Raises `DataError` if `strict` for anything else; otherwise that is no image, and broken base64 an image that
    cannot be read.
    """
    if value is None or isinstance(value, str):
        return image_refs(folder, value)
    if isinstance(value, list) and all(isinstance(one, str | dict | None) for one in value):
        return [image for one in value for image in json_images(one, folder, where, strict)]
    if isinstance(value, dict) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return [ImageRef(base64_bytes(value["base64"]))]
        except ValueError:
            if not strict:
                return [ImageRef(b"")]
            raise DataError(f"{where}: the image is no valid base64") from None
    if not strict:
        return []
    raise DataError(f'{where}: expected null, a path or {{"base64": ...}} as image, found {short(value)}')


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
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
