"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from moodfuse.errors import OutputError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` only when all of it has been written.

    Whatever stood at `path` stays whole until then, also when the disk fills up or the process dies.
    Raises `OutputError` where the folder cannot be written to or has no room.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with _output_errors(path, every=True):
        file = part.open("xb")
    try:
        with _output_errors(path), file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with _output_errors(path, every=True):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `folder` only when the block has ended well."""
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    old = part.with_suffix(".old")
    try:
        with _output_errors(folder, every=True):
            part.mkdir(parents=True)
        with _output_errors(folder):
            yield part
        with _output_errors(folder, every=True):
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def make_folder(folder: Path) -> Path:
    """Make `folder` and its parents. Raises `OutputError` where that cannot be done."""
    with _output_errors(folder, every=True):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _output_errors(path: Path, *, every: bool = False) -> Iterator[None]:
    # Inside a caller's block an OSError may also come from something it reads: only a full or failing
    # disk is told as ours there.
    try:
        yield
    except OSError as error:
        if every or error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            reason = error.strerror or str(error)
            raise OutputError(f"{path}: cannot be written ({reason}); what was there before is unchanged") from None
        raise
