"""Files and folders that are written completely or not at all."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from platformdirs import user_cache_path

from moodfuse.errors import OutputError
from moodfuse.staging import kept_aside, staging_folder

#: The error numbers of a full or failing disk.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
#: Those of a place that may not be written to.
NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` only when it has been written completely.

    Until then the old file at `path` is unchanged, even if the disk fills up or the process dies. A link stays a link:
    its target is replaced.
    Raises `OutputError` if the folder cannot be written to or is full, and if `path` is a folder, a device or a pipe:
    replacing /dev/null by a file would break other programs.
    """
    with _output_errors(path, every=True):
        target = Path(os.path.realpath(path))
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise OutputError(f"{path}: expected a file or a new name to write to, found {found}; name a file")
    with _staged(target, named=path) as stage:
        part = stage / "new"
        with _output_errors(path, every=True):
            file = part.open("xb")
        with _output_errors(path), file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with _output_errors(path, every=True):
            part.replace(target)


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file to append to; the data is on the disk when the block ends.

    Raises `OutputError` if it cannot be written.
    """
    with _output_errors(path, every=True):
        file = path.open("ab")
    with _output_errors(path, every=True), file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, completely or not at all."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, completely or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, completely or not at all; NaN raises `ValueError`."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `folder` only if the block ends without an error."""
    folder = Path(os.path.realpath(folder))
    make_folder(folder.parent)
    with _staged(folder) as stage:
        part = stage / "new"
        with _output_errors(folder, every=True):
            part.mkdir()
        with _output_errors(folder, within=part):
            yield part
        _move(part, folder, stage)


def move_folder(source: Path, target: Path) -> None:
    """Replace the folder `target` by `source`, which must be on the same disk."""
    with _staged(target) as stage:
        _move(source, target, stage)


def _move(source: Path, target: Path, stage: Path) -> None:
    old = kept_aside(stage)
    try:
        with _output_errors(target, every=True):
            if target.exists():
                target.rename(old)
            source.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)


@contextmanager
def _staged(target: Path, *, named: Path | None = None) -> Iterator[Path]:
    """Make a folder beside `target` for what is not whole yet; `named` is what its errors call `target`."""
    with ExitStack() as stack:
        with _output_errors(named or target, every=True):
            stage = stack.enter_context(staging_folder(target))
        yield stage


def cache_folder() -> Path:
    """Return the folder for all that can be made or fetched again; `MOODFUSE_CACHE` moves it."""
    moved = os.environ.get("MOODFUSE_CACHE")
    return make_folder(Path(moved) if moved else user_cache_path("moodfuse"))


def make_folder(folder: Path) -> Path:
    """Make `folder` and its parents, and return it. Raises `OutputError` if it cannot be made."""
    with _output_errors(folder, every=True):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _output_errors(path: Path, *, every: bool = False, within: Path | None = None) -> Iterator[None]:
    # Inside a caller's block an OSError may also come from a file that it reads, so there only the errors of a full or
    # failing disk become an `OutputError`, and those of rights that were taken away in the folder `within` meanwhile.
    try:
        yield
    except OSError as error:
        if every or error.errno in NO_ROOM or (within is not None and _lost_right(error, within)):
            reason = error.strerror or str(error)
            raise OutputError(
                f"{path}: cannot be written ({reason}); what was there before is unchanged; {_remedy(error)}"
            ) from None
        raise


def _lost_right(error: OSError, folder: Path) -> bool:
    return error.errno in NO_RIGHT and isinstance(error.filename, str) and Path(error.filename).is_relative_to(folder)


def _remedy(error: OSError) -> str:
    if error.errno in NO_ROOM:
        return "make room, or write to another disk"
    return "make the folder first" if error.errno == errno.ENOENT else "write to another place"


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV, completely or not at all."""
    write_text(path, csv_text(rows))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the same keys as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
