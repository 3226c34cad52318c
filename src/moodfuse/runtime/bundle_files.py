"""The files of a bundle, looked at before they are opened: a pipe would be waited for, a device would never end."""

from __future__ import annotations

import stat
from pathlib import Path

from moodfuse.errors import BundleError

_MEBIBYTE = 2**20
_MOST_BYTES = {
    "manifest.json": 16 * _MEBIBYTE,
    ".sha256": 1_024,
    ".json": 256 * _MEBIBYTE,
    ".md": 16 * _MEBIBYTE,
    ".onnx": 2_048 * _MEBIBYTE,
}
_MOST_OF_OTHERS = 256 * _MEBIBYTE


def regular_file(folder: Path, name: str, *, links: bool = False) -> Path:
    """Return the path of a file of a bundle.

    Raises `BundleError` where there is none, where it is a link (unless `links` allows it), a pipe or a device, or
    larger than any such file is.
    """
    path = folder / name
    try:
        state = path.stat(follow_symlinks=links)
    except (OSError, ValueError):
        raise BundleError(f"{folder}: {name} is missing; copy the whole folder again") from None
    if not stat.S_ISREG(state.st_mode):
        kind = "a link" if stat.S_ISLNK(state.st_mode) else "a folder, a pipe or a device"
        raise BundleError(f"{folder}: {name} is no file of its own but {kind}; copy the files themselves")
    if state.st_size > (most := _MOST_BYTES.get(name) or _MOST_BYTES.get(path.suffix, _MOST_OF_OTHERS)):
        raise BundleError(f"{folder}: {name} has {state.st_size:,} bytes; {most:,} are the most")
    return path
