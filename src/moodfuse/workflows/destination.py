"""Where results may be written: never over what they were made from, and over another file only if that was asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from moodfuse.data.formats.base import Reading
from moodfuse.data.formats.readers import source_files, stream_posts
from moodfuse.data.posts import Post
from moodfuse.errors import OutputError
from moodfuse.progress import mute
from moodfuse.runtime.bundle import SEAL


def check_destinations(outputs: Iterable[Path], source: Path, reading: Reading, *, force: bool = False) -> None:
    """Raise `OutputError` where writing `outputs` would destroy something.

    An input (`source`, a file of a folder of posts, a post's text or image) is never written over, however it is
    named: by another case of letters, through a link, as a hard link. Another file is, with `force`.
    """
    for output in outputs:
        if os.path.isdir(output):  # noqa: PTH112 (a Path raises where a name is too long)
            continue  # what is no file is refused where it is opened
        if _same(output, source) or _same_name(output, source):
            raise OutputError(f"{output}: is the input itself; name another file")
        if not _holds_something(output):
            continue
        if not force:
            raise OutputError(f"{output}: the file exists already; name another, or write over it with --force")
        if any(_same(output, path) for path in _inputs(output, source, reading)):
            raise OutputError(f"{output}: belongs to the input; name another file")


def check_new(output: Path, *, force: bool = False) -> None:
    """Raise `OutputError` where a file that holds something is at `output`, unless it may be written over."""
    if not force and _holds_something(output):
        raise OutputError(f"{output}: the file exists already; name another, or write over it with --force")


def check_report(output: Path, inputs: Iterable[Path], *, force: bool = False) -> None:
    """Raise `OutputError` where a report would destroy something: a file of `inputs`, or without `force` any file.

    Reports that stand among the inputs, which are called report-something, are replaced with `force`.
    """
    check_new(output, force=force)
    if not _holds_something(output) or output.name.startswith("report"):
        return
    for source in inputs:
        if _same(output, source) or output.resolve().is_relative_to(source.resolve()):
            raise OutputError(f"{output}: belongs to {source}; name another file")


def check_bundle_folder(folder: Path, *, force: bool = True, never: Path | None = None) -> None:
    """Raise `OutputError` where a bundle cannot be written to `folder`: only a bundle is replaced, and with `force`.

    The bundle `never` is not.
    """
    if never is not None and _same(folder, never):
        raise OutputError(f"{folder}: is the bundle that is read; name another folder")
    is_bundle = (folder / SEAL).is_file()
    if folder.exists() and not is_bundle and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: expected a new folder or a bundle to replace, found neither; name another folder")
    if is_bundle and not force:
        raise OutputError(f"{folder}: holds a bundle already; name another folder, or replace it with --force")


def _holds_something(path: Path) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) > 0  # noqa: PTH113, PTH202 (as above)


def _inputs(output: Path, source: Path, reading: Reading) -> Iterator[Path]:
    """Yield every file that is read, as far as it could be `output`; all posts are gone through."""
    home = source if source.is_dir() else source.parent
    yield from source_files(source, reading.format)
    for post in stream_posts(source, reading, fields=False, notify=mute):  # what there is to tell is told on reading
        yield from _files_of(post, home, output)


def _files_of(post: Post, home: Path, output: Path) -> Iterator[Path]:
    yield from (image.source for image in post.images if isinstance(image.source, Path))
    if output.name == f"{post.id.strip()}.txt":  # where texts are files of their own
        yield from (home / output.name, home / "data" / output.name)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 (a name with NUL raises ValueError either way)
    except (OSError, ValueError):
        return False


def _same_name(one: Path, other: Path) -> bool:
    """Say whether two paths differ in the case of letters alone: on many a disk, and in many a cloud, they are one."""
    return os.path.realpath(one).casefold() == os.path.realpath(other).casefold()
