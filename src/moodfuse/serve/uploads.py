"""Batches as they come in: into a temporary folder, checked, read by the readers, and gone with the answer."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from moodfuse.data.formats.guid_tag import LISTINGS
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.errors import DataError
from moodfuse.labels import Labels
from moodfuse.serve.limits import MEBIBYTE, Limits
from moodfuse.serve.problems import Problem

#: What a batch may be, and the name that its file gets: the suffix tells the reader its format.
CONTENT_TYPES = {
    "application/zip": "posts.zip",
    "application/x-zip-compressed": "posts.zip",
    "application/x-ndjson": "posts.jsonl",
    "application/jsonl": "posts.jsonl",
    "application/jsonlines": "posts.jsonl",
    "text/csv": "posts.csv",
    "text/tab-separated-values": "posts.tsv",
}
_TABLES = (".csv", ".tsv", ".jsonl")
_ELSEWHERE = ImageRef(Path("outside the batch\0"))  # a name no file can have
_LONGEST_PATH = 400
_CHUNK = 2**16
_ENTRY = b"PK\x01\x02"  # what an entry of a zip's list starts with


async def receive_batch(body: AsyncIterator[bytes], content_type: str, folder: Path) -> Path:
    """Write a request's body to a file in `folder`. Raises `Problem` 415 for a type that is no batch."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES:
        raise Problem(415, f"expected a batch as one of {', '.join(CONTENT_TYPES)}; found {kind[:100] or 'no type'}")
    path = folder / CONTENT_TYPES[kind]
    with path.open("wb") as file:
        async for chunk in body:
            file.write(chunk)
    return path


def open_batch(path: Path, limits: Limits, labels: Labels) -> tuple[Path, int]:
    """Unpack a zip, and read all posts once: what is wrong shows before the first answer. Returns source and posts.

    Raises `Problem` for a zip that is not safe and for too many posts, `DataError` for what is no post.
    """
    source = _table_of(_unpack(path, limits)) if path.suffix == ".zip" else path
    count = 0
    for _ in read_batch(source, labels):
        count += 1
        if count > limits.posts:
            raise Problem(413, f"more than {limits.posts:,} posts; send them in several batches")
    if not count:
        raise Problem(422, "the batch holds no post")
    return source, count


def read_batch(source: Path, labels: Labels) -> Iterator[Post]:
    """Yield the posts of a batch in order. An image that lies outside its folder counts as not found."""
    home = source if source.is_dir() else source.parent
    try:
        for post in stream_posts(source, part="predict", strict=False, labels=labels, trusted=False):
            images = [_confined(image, home) for image in post.images]
            yield replace(post, image=images[0] if images else None, more_images=tuple(images[1:]))
    except DataError as error:  # the client knows nothing of this folder, and need not
        raise DataError(str(error).replace(f"{home}{os.sep}", "").replace(str(home), "the batch")) from None


def _confined(image: ImageRef, home: Path) -> ImageRef:
    """Return an image of the batch; one of another place becomes one that is not there, and nothing is fetched."""
    if isinstance(image, ImageUri):
        return replace(image, follow=False)
    if isinstance(image.source, bytes):
        return image
    try:
        real = Path(os.path.realpath(image.source))
    except ValueError:  # a name no file can have
        return _ELSEWHERE
    return image if real.is_relative_to(os.path.realpath(home)) else _ELSEWHERE


def _unpack(path: Path, limits: Limits) -> Path:
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
        name = _safe_name(entry.filename)
        if name in names or any(parent in names for parent in name.parents):
            raise Problem(422, "the zip holds two files of one name")
        names[name] = entry
    return list(names.items())


def _safe_name(name: str) -> PurePosixPath:
    """Return a name within the zip as a path. Raises `Problem` for one that leads anywhere else."""
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    strange = any(ord(character) < 32 or character == "\\" for character in name)
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


def _table_of(folder: Path) -> Path:
    """Return what of an unpacked zip is read: a guid,tag or MVSA folder, or the one table that lies in it."""
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)
    held = sorted(folder.iterdir())
    while len(held) == 1 and held[0].is_dir():
        folder = held[0]
        held = sorted(folder.iterdir())
    if any((folder / name).is_file() for name in (*LISTINGS["predict"], "labelResultAll.txt")):
        return folder
    tables = [path for path in held if path.suffix.lower() in _TABLES]
    return tables[0] if len(tables) == 1 else folder
