"""Zips as they come in: nothing that they say of themselves is trusted."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from moodfuse.serve.limits import MEBIBYTE, Limits
from moodfuse.serve.problems import Problem, keeps_nothing

_LONGEST_PATH = 400
_CHUNK = 2**16
_ENTRY = b"PK\x01\x02"  # what an entry of a zip's list starts with
_UTF8 = 0x800  # the flag of an entry whose name is in UTF-8


def check_workbook(path: Path, limits: Limits) -> None:
    """Raise `Problem` for a workbook, which is a zip of XML, that unpacks to more than a batch may."""
    left = limits.unpacked_bytes
    try:
        _check_count(_count_marks(path), limits)
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as source:
                    while chunk := source.read(_CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise Problem(413, f"the workbook unpacks to more than {limits.unpacked_bytes:,} bytes")
    except Problem:
        raise
    except Exception as error:  # zlib.error, zipfile.BadZipFile and their like share no base class
        raise Problem(422, f"the workbook is damaged ({error.__class__.__name__})") from None


def unpack(path: Path, limits: Limits) -> Path:
    """Unpack a zip beside it, trusting nothing that it says of itself."""
    with path.open("rb") as file:
        if file.read(2) != b"PK":  # a zip may hang behind anything; this one is to be a zip and nothing else
            raise Problem(422, "expected a zip file, found something else")
    target = path.with_name("unpacked")
    target.mkdir()
    try:
        _check_count(_count_marks(path), limits)  # before zipfile makes an object of some 500 bytes of each
        with zipfile.ZipFile(path) as archive:
            entries = _checked_entries(archive, limits)
            left = limits.unpacked_bytes
            for name, entry in entries:
                left -= _extract(archive, entry, target / name, left, limits)
    except Problem:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        if isinstance(error, OSError) and keeps_nothing(error):
            raise
        raise Problem(422, f"the zip cannot be unpacked ({error.__class__.__name__})") from None
    except Exception as error:  # zlib.error, lzma.LZMAError and their like share no base class
        raise Problem(422, f"the zip is damaged ({error.__class__.__name__})") from None
    finally:
        path.unlink()
    return target


def _count_marks(path: Path) -> int:
    """Return how often the mark of an entry in a zip's list stands in a file: at least as often as it has entries."""
    count, kept = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            count += (kept + chunk).count(_ENTRY)
            kept = chunk[1 - len(_ENTRY) :]
    return count


def _check_count(files: int, limits: Limits) -> None:
    if files > 3 * limits.posts + 100:
        raise Problem(413, f"the zip holds {files:,} files, too many for {limits.posts:,} posts")


def _checked_entries(archive: zipfile.ZipFile, limits: Limits) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check_count(len(entries), limits)
    if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
        raise Problem(413, f"the zip unpacks to more than {limits.unpacked_bytes:,} bytes")
    names: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in entries:
        if entry.flag_bits & 1:
            raise Problem(422, "the zip is encrypted; send it without a password")
        name = _safe_name(readable_name(entry))
        if name in names or any(parent in names for parent in name.parents):
            raise Problem(422, "the zip holds two files of one name")
        names[name] = entry
    return list(names.items())


def readable_name(entry: zipfile.ZipInfo) -> str:
    """Return a file's name in a zip as its maker meant it, with / between folders.

    Without the mark of UTF-8 a name is in whatever its maker's machine wrote: UTF-8 all the same, GBK in Chinese
    Windows, or the CP437 of the standard.
    """
    name = entry.filename
    if not entry.flag_bits & _UTF8 and not name.isascii():
        raw = name.encode("cp437")
        name = next((found for codec in ("utf-8", "gbk") if (found := _decoded(raw, codec))), name)
    return name.replace("\\", "/")  # only now: the second byte of a GBK character may be a backslash


def _decoded(raw: bytes, codec: str) -> str | None:
    """Return bytes in a codec where all of them are, and none would be a character that no name of a file has."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    plausible = codec != "gbk" or all(one.isascii() or "\u3000" <= one <= "\u9fff" or one >= "\uff00" for one in text)
    return text if plausible else None


def _safe_name(name: str) -> PurePosixPath:
    """Return a name within the zip as a path. Raises `Problem` for one that leads anywhere else."""
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    strange = any(ord(character) < 32 for character in name)
    if path.is_absolute() or ".." in path.parts or drive or strange or not path.parts:
        raise Problem(422, "the zip holds a name that leads outside it")
    if len(name.encode("utf-8", "replace")) > _LONGEST_PATH or any(len(part.encode()) > 250 for part in path.parts):
        raise Problem(422, "the zip holds a name that is too long")
    return path


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, left: int, limits: Limits) -> int:
    """Unpack one file, counting what really comes out; returns its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    allowed = min(left, max(MEBIBYTE, limits.ratio * entry.compress_size))
    written = 0
    with archive.open(entry) as source, path.open("xb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > allowed:
                raise Problem(413, "the zip unpacks to far more than its size; send the posts in several batches")
            file.write(chunk)
    return written
