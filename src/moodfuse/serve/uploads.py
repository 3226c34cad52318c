"""Batches as they come in: into a temporary folder, checked, read by the readers, and gone with the answer."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from moodfuse.data.formats.base import Reading
from moodfuse.data.formats.lines import line_ends
from moodfuse.data.formats.readers import (
    came_as,
    read_columns,
    source_files,
    source_format,
    stream_posts,
    table_style,
)
from moodfuse.data.formats.workbooks import WorkbookReader
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.data.table_style import TableStyle
from moodfuse.errors import DataError
from moodfuse.serve.archives import check_workbook, unpack
from moodfuse.serve.limits import Limits
from moodfuse.serve.problems import Problem

#: What a batch may be, and the name that its file gets: the suffix tells the reader its format.
CONTENT_TYPES = {
    "application/zip": "posts.zip",
    "application/x-zip-compressed": "posts.zip",
    "application/x-ndjson": "posts.jsonl",
    "application/jsonl": "posts.jsonl",
    "application/jsonlines": "posts.jsonl",
    "application/json": "posts.json",
    "text/csv": "posts.csv",
    "text/tab-separated-values": "posts.tsv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "posts.xlsx",
}
_ELSEWHERE = ImageRef(Path("a file outside the batch\0"))  # a name no file can have
_LINED = (".csv", ".tsv", ".txt")
_LINES_A_POST = 100  # on average, at most
#: What the names of workbooks end with that are zips themselves.
_ZIPPED = tuple(suffix for suffix in WorkbookReader.suffixes if suffix != ".xls")


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


@dataclass(frozen=True, slots=True)
class UploadedBatch:
    """A batch that was read once, and can be read again."""

    source: Path
    format: str
    posts: int
    columns: tuple[str, ...]
    #: Those of them that are read as id, text, image or label.
    read: tuple[str, ...]
    #: How a table of answers to it is written.
    table: TableStyle


def open_batch(path: Path, limits: Limits, reading: Reading) -> UploadedBatch:
    """Unpack a zip, and read all posts once: what is wrong shows before the first answer.

    Raises `Problem` for a zip that is not safe and for too many posts, `DataError` for what is no post.
    """
    source = _table_of(unpack(path, limits)) if path.suffix == ".zip" else path
    with _own_words(source):
        files = source_files(source) if source.is_dir() else [source]
    for file in files:
        if file.suffix.lower() in _ZIPPED:
            check_workbook(file, limits)
        elif file.suffix.lower() in _LINED:
            _check_lines(file, limits)
    count = held = 0
    repeats = any(_is_parquet(file) for file in files)  # one value may stand in all of its rows
    for post in read_batch(source, replace(reading, fields=repeats)):
        count += 1
        if count > limits.posts:
            raise Problem(413, f"more than {limits.posts:,} posts; send them in several batches")
        held += _held_bytes(post) if repeats else 0
        if held > limits.unpacked_bytes:
            raise Problem(413, f"the posts unpack to more than {limits.unpacked_bytes:,} bytes")
    if not count:
        raise Problem(422, "the batch holds no post")
    with _own_words(source):
        columns = stream_posts(source, reading).columns
        read, table = read_columns(source, reading), table_style(source, reading)
        return UploadedBatch(source, came_as(source), count, columns, read, table)


def _check_lines(path: Path, limits: Limits) -> None:
    """Raise `Problem` for a table of lines without end: each is looked at, whether it belongs to a post or not."""
    most = _LINES_A_POST * (limits.posts + 1)
    if (lines := line_ends(path)) > most:
        raise Problem(413, f"{lines:,} lines; for {limits.posts:,} posts {most:,} are the most")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _held_bytes(post: Post) -> int:
    """Return about how many bytes the values of a post's columns, or its text and images, have."""
    values = [post.text, *(post.fields or {}).values(), *(image.source for image in post.images)]
    return sum(len(value) if isinstance(value, str | bytes) else 8 for value in values)


def read_batch(source: Path, reading: Reading) -> Iterator[Post]:
    """Yield the posts of a batch in order, trusting none: an image outside its folder is not found, none is fetched."""
    home = Path(os.path.realpath(_home(source)))
    with _own_words(source):
        for post in stream_posts(source, replace(reading, trusted=False, remote=False)):
            images = [_confined(image, home) for image in post.images]
            yield replace(post, image=images[0] if images else None, more_images=tuple(images[1:]))


@contextmanager
def _own_words(source: Path) -> Iterator[None]:
    """Leave out of errors where the batch lies: the client knows nothing of this folder, and need not."""
    try:
        yield
    except DataError as error:
        raise DataError(in_own_words(str(error), source)) from None


def in_own_words(message: str, source: Path) -> str:
    """Return a message about a batch without the folder that it lies in, on one line that any table can hold."""
    home = _home(source)
    return message.replace(f"{home}{os.sep}", "").replace(str(home), "the batch").replace("\0", "")


def _home(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _confined(image: ImageRef, home: Path) -> ImageRef:
    """Return an image of the batch, whose real folder is `home`; one of another place becomes one that is not there.

    Nothing is fetched.
    """
    if isinstance(image, ImageUri):
        return replace(image, follow=False)
    if isinstance(image.source, bytes):
        return image
    try:
        real = Path(os.path.realpath(image.source))
    except ValueError:  # a name no file can have
        return _ELSEWHERE
    return image if real.is_relative_to(home) else _ELSEWHERE


def _table_of(folder: Path) -> Path:
    """Return what of an unpacked zip is read: the folder, or the one table where nothing else lies in it."""
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)
    held = sorted(folder.iterdir())
    while len(held) == 1 and held[0].is_dir():
        folder = held[0]
        held = sorted(folder.iterdir())
    try:
        files = source_files(folder) if source_format(folder) == "parts" else []
    except DataError:  # whoever reads it says why
        files = []
    return files[0] if len(files) == 1 else folder
