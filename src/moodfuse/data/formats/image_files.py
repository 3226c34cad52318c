"""Encoded images as files and bytes: copied, embedded or pointed to, never decoded."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from moodfuse.data.formats.lines import open_file
from moodfuse.data.image_formats import HEAD_BYTES, SUFFIXES, image_format
from moodfuse.data.images import image_bytes
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.errors import DataError, OutputError
from moodfuse.files import replacing_folder

_UNREADABLE = "image file that cannot be read: written without it"
_NO_IMAGE = "image file that is none by its first bytes: written without it"
_OUTSIDE = "image outside the source's folder: written without it (--outside-images takes it)"
_OURS = re.compile(r"[0-9]{7,}\.[a-z]+")
_SEVERAL = "post of several images: written with the first"


@contextmanager
def open_image_bytes(
    image: ImageRef | None, notes: Counter[str], home: Path | None = None
) -> Iterator[BinaryIO | None]:
    """Open an encoded image; `None` where there is none, or where its file is not to be read, which `notes` counts.

    That it cannot be; is no image by its first bytes; or lies outside the real folder `home`, if one is given: a table
    of posts may name any file of this machine.
    """
    if image is None or not _may_copy(image, notes, home):
        yield None
    elif isinstance(image, ImageUri):
        data = bytes_to_embed(image, notes)
        yield None if data is None else io.BytesIO(data)
    elif isinstance(image.source, bytes):
        yield io.BytesIO(image.source)
    else:
        try:
            file = open_file(image.source)
        except DataError:
            notes[_UNREADABLE] += 1
            yield None
            return
        with file:
            known = _is_image(file.read(HEAD_BYTES))
            file.seek(0)
            notes[_NO_IMAGE] += not known
            yield file if known else None


def bytes_to_embed(image: ImageRef | None, notes: Counter[str], home: Path | None = None) -> bytes | None:
    """Return the bytes of an encoded image; `None` as `open_image_bytes`, and for a file of over 256 MiB."""
    if image is None or not _may_copy(image, notes, home):
        return None
    data = image_bytes(image)
    notes[_UNREADABLE] += data is None
    if data is not None and isinstance(image.source, Path) and not _is_image(data[:HEAD_BYTES]):
        notes[_NO_IMAGE] += 1
        return None
    return data


def _is_image(head: bytes) -> bool:
    return not head or image_format(head) is not None  # an empty file has nothing to give away


def _may_copy(image: ImageRef, notes: Counter[str], home: Path | None) -> bool:
    if home is None or isinstance(image, ImageUri) or isinstance(image.source, bytes):
        return True
    try:
        inside = Path(os.path.realpath(image.source)).is_relative_to(home)
    except ValueError:  # a name no file can have
        inside = True
    notes[_OUTSIDE] += not inside
    return inside


def note_left_out(post: Post, notes: Counter[str]) -> None:
    """Count in `notes` a post whose images are more than a format can hold."""
    notes[_SEVERAL] += bool(post.more_images)


def image_suffix(image: BinaryIO) -> str:
    """Return what the name of an open image's file should end with: by its first bytes, else .jpg."""
    format = image_format(image.read(HEAD_BYTES))
    image.seek(0)
    return SUFFIXES[format or "JPEG"][0]


class ImagePaths:
    """What stands for an image in a file of posts: the path from there to it.

    An image that is no file (its bytes came in a file of posts) becomes one, in the folder NAME_images beside the
    file, named by its place: an id could be anything. That folder takes its place before the file does. One that is
    there is replaced with `force`, if it holds what is named so and none of it is pointed to.
    """

    def __init__(self, file: Path, notes: Counter[str], stack: ExitStack, *, force: bool = False) -> None:
        self._home = Path(os.path.abspath(file.parent))  # noqa: PTH100 (resolve() would go through the user's links)
        self._folder = file.with_name(f"{file.stem}_images")
        self._notes = notes
        self._stack = stack
        self._force = force
        self._pointed_to = False
        self._part: Path | None = None
        self._written = 0

    def paths_of(self, images: Iterable[ImageRef]) -> list[str]:
        """Return the path or address that stands for each image. Separators are `/` everywhere."""
        return [path for image in images if (path := self.path_of(image)) is not None]

    def path_of(self, image: ImageRef) -> str | None:
        """Return the path or address that stands for an image, `None` where it cannot be read."""
        if isinstance(image, ImageUri):
            return image.uri
        if isinstance(image.source, Path) and (path := self._relative(image.source)) is not None:
            if path.startswith(f"{self._folder.name}/"):
                self._pointed_to = True
                if self._part is not None:
                    raise self._in_the_way()
            return path
        with open_image_bytes(image, self._notes) as file:
            if file is None:
                return None
            self._written += 1
            name = f"{self._written:07d}{image_suffix(file)}"
            with (self._images() / name).open("xb") as copy:
                shutil.copyfileobj(file, copy)
        return f"{self._folder.name}/{name}"

    def _relative(self, source: Path) -> str | None:
        """Return the path from here to `source`; `None` where a reader would not find it: it strips cells."""
        try:
            path = Path(os.path.relpath(source, self._home)).as_posix()
        except ValueError:  # another drive
            path = source.absolute().as_posix()
        readable = path.isprintable() and path == path.strip()  # surrogates, of names in no UTF-8, are not printable
        return path if readable else None

    def _images(self) -> Path:
        if self._part is None:
            if self._folder.exists() and not (self._force and not self._pointed_to and self._is_ours()):
                raise self._in_the_way()
            self._part = self._stack.enter_context(replacing_folder(self._folder))
        return self._part

    def _is_ours(self) -> bool:
        return self._folder.is_dir() and all(_OURS.fullmatch(path.name) for path in self._folder.iterdir())

    def _in_the_way(self) -> OutputError:
        remedy = "remove it, or name another file to write"
        if not self._force:
            remedy += "; --force replaces images that moodfuse put there"
        return OutputError(f"{self._folder}: exists already; {remedy}")
