"""Hidden folders for what is being written: their owner holds a lock, and what a killed process left is swept.

`.NAME.0123abcd.part` stands beside NAME, which it will become. The operating system frees its lock when the owner
ends, however it ends: what can be locked has no owner.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(?:part|old)", re.DOTALL)  # 0.1 wrote files, without locks, and .old
_LOCK = "lock"


@contextmanager
def staging_folder(place: Path) -> Iterator[Path]:
    """Make a folder beside `place` for the time of the block, and sweep those that dead processes left for `place`.

    Raises `OSError` if it cannot be made.
    """
    sweep(place.parent, place.name)
    folder, lock = _own(place)
    try:
        yield folder
    finally:
        os.close(lock)  # first: Windows removes no file that is open
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_folder(kind: str) -> Iterator[Path]:
    """Make a folder in the system's place for temporary files; one that is killed is swept by the next of its kind."""
    with staging_folder(_temporary(kind)) as folder:
        yield folder


def sweep_temporary(kind: str) -> None:
    """Remove what dead processes left of the temporary folders of a kind, where none is made any more."""
    place = _temporary(kind)
    sweep(place.parent, place.name)


def _temporary(kind: str) -> Path:
    return Path(tempfile.gettempdir()) / f"moodfuse-{kind}"


def kept_aside(folder: Path) -> Path:
    """Return where a staging folder holds what was at its place before, until the new is there."""
    return folder / "old"


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what dead processes left half-written in `folder` (of `name` alone, where one is given).

    What one of them had moved aside comes back where nothing has taken its place.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(match[1], Path(entry.path)) for entry in entries if (match := _NAME.fullmatch(entry.name))]
    except OSError:  # no such folder yet, or none that may be looked into
        return
    for target, left in found:
        if name is not None and target != name:
            continue
        if left.is_dir() and not left.is_symlink():
            _sweep_folder(left, folder / target)
        else:
            with suppress(OSError):  # somebody else's, or gone meanwhile
                left.unlink()


def _sweep_folder(left: Path, target: Path) -> None:
    try:
        lock = _open(left)
    except OSError:  # somebody else's, or gone meanwhile
        return
    try:
        if not _is_ours(lock, left):
            return
        old = kept_aside(left)
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(left, ignore_errors=True)
    except OSError:  # a file system without locks: nobody can know
        return
    finally:
        os.close(lock)
    shutil.rmtree(left, ignore_errors=True)  # the lock, on Windows


def _own(place: Path) -> tuple[Path, int]:
    """Return a new folder beside `place`, and its open lock."""
    while True:
        folder = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
        folder.mkdir(0o700)
        try:
            lock = _open(folder)
        except FileNotFoundError:  # swept before it was locked
            continue
        try:
            if _is_ours(lock, folder):
                return folder, lock
        except OSError:  # a file system without locks: never swept
            return folder, lock
        os.close(lock)


def _open(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _is_ours(lock: int, folder: Path) -> bool:
    """Lock a folder's open lock, and say whether this has made it ours: nobody holds it, nobody has removed it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    try:
        return os.path.samestat(os.fstat(lock), (folder / _LOCK).stat())
    except FileNotFoundError:
        return False
