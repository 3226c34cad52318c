"""Files that lie under a name that differs from the one given: in the case of its letters, in its separators."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from moodfuse.data.posts import ImageRef

#: What the names of images end with, lower case; of several beside a text the first is taken.
IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".jfif", ".tif", ".tiff", ".avif", ".heic", ".heif"
)  # fmt: skip


def find_file(path: str) -> Path | None:
    """Return where the file lies that `path` means; `None` where there is none.

    A name in other letter case is taken where it is the only one; the very name always wins.
    """
    if os.path.exists(path):  # noqa: PTH110 (Path raises on NUL)
        return Path(path)
    folder, name = os.path.split(path)
    if not name or "\0" in path:
        return None
    parent = Path(folder) if folder in ("", os.sep) or os.path.isdir(folder) else find_file(folder)  # noqa: PTH112
    if parent is None:
        return None
    alike = _listing(str(parent)).get(_folded(name), ())
    return parent / alike[0] if len(alike) == 1 else None


def file_image(path: Path) -> ImageRef:
    """Return the image of a path that somebody gave: the file, or the file that differs in its letters' case alone."""
    return ImageRef(find_file(str(path)) or path)


def find_beside(folder: Path, stem: str, suffixes: Iterable[str]) -> Path | None:
    """Return the file of `folder` whose name is `stem` and the first of `suffixes`, in any letter case, that is there.

    The stem is an id: it is never taken for another one that differs in its letters' case.
    """
    suffixes = tuple(suffixes)
    start = os.path.join(folder, stem)  # noqa: PTH118 (a `Path` for every name that might be there costs time)
    if os.path.exists(start + suffixes[0]):  # noqa: PTH110
        return Path(start + suffixes[0])
    listing = _listing(str(folder))
    for suffix in suffixes:
        alike = [name for name in listing.get(_folded(stem + suffix), ()) if _same(name[: -len(suffix)], stem)]
        if alike:
            return folder / (stem + suffix if stem + suffix in alike else alike[0])
    return None


def _same(one: str, other: str) -> bool:
    return one == other or unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def _folded(name: str) -> str:
    """Return a name as names are compared: some systems write é as two characters."""
    return unicodedata.normalize("NFC", name).lower()


def _listing(folder: str) -> dict[str, tuple[str, ...]]:
    """Return the names in a folder by how they are compared; listed anew only when the folder has changed."""
    try:
        return _list(folder, os.stat(folder).st_mtime_ns)  # noqa: PTH116 (one call for many posts)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=8)
def _list(folder: str, _changed: int) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in os.listdir(folder):  # noqa: PTH208 (names, not paths: there may be a million)
        found[_folded(name)].append(name)
    return {folded: tuple(sorted(names)) for folded, names in found.items()}
