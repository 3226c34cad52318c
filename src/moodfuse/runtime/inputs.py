"""What is made of a post's images before an encoder runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from moodfuse.data.image_finding import file_image
from moodfuse.data.images import MAX_IMAGES, MAX_PIXELS, Seen, look, name_of, read_of
from moodfuse.data.posts import ImageRef, Post, Status
from moodfuse.errors import DataError
from moodfuse.runtime.views import EncoderInput, ImageReader

#: An image as a caller gives it: a path, or its encoded bytes.
ImageSource = str | Path | bytes
NONE_SEEN: Mapping[int, Seen] = {}


def single_post(text: str | None, image: ImageSource | Sequence[ImageSource] | None) -> Post:
    """Return the post of a text and one image or several. Raises `DataError` for anything else."""
    if text is not None and not isinstance(text, str):
        raise DataError(f"text: expected str or None, found {type(text).__name__}")
    given: list[Any] = list(image) if isinstance(image, list | tuple) else [] if image is None else [image]
    for one in given:
        if not isinstance(one, str | Path | bytes):
            raise DataError(f"image: expected a path, bytes, a list of them or None, found {type(one).__name__}")
    images = [ImageRef(one) if isinstance(one, bytes) else file_image(Path(one)) for one in given]
    return Post("0", text=text, image=images[0] if images else None, more_images=tuple(images[1:]))


class ReadImages(NamedTuple):
    """What an encoder takes of those of a post's images that can be read; states in order, and what these don't say.

    Of several images the details name the one that they are about.
    """

    arrays: list[EncoderInput]
    status: list[Status]
    details: list[str]
    #: Width and height of the first that can be read.
    size: tuple[int, int] | None = None


def read_images(
    images: Sequence[ImageRef], reader: ImageReader, max_pixels: int = MAX_PIXELS, seen: Mapping[int, Seen] = NONE_SEEN
) -> ReadImages:
    """Decode a post's images but those of `seen`, by their places from 0, and prepare each for its encoder."""
    if not images:
        return ReadImages([], [Status.IMAGE_MISSING], [])
    size: tuple[int, int] | None = None
    arrays: list[EncoderInput] = []
    status: list[Status] = []
    details: list[str] = []
    for place, ref in enumerate(read_of(images), start=1):
        found = seen.get(place - 1) or look(ref, max_pixels=max_pixels, enough=reader.enough)
        if found.image is not None:
            size = size or found.image.size
            arrays.append(reader.prepare(found.image))
        status += found.status
        if told := _told(found, ref, place if len(images) > 1 else 0):
            details.append(told)
    if len(images) > MAX_IMAGES:
        status.append(Status.IMAGE_TOO_LARGE)
        details.append(f"images {MAX_IMAGES + 1} to {len(images)}: not read; {MAX_IMAGES} a post are the most")
    return ReadImages(arrays, list(dict.fromkeys(status)), details, size)


def _told(found: Seen, ref: ImageRef, place: int) -> str:
    """Return what is to be said of an image: the `place`-th of several from 1, 0 for a post's only one."""
    if not found.status or not (place or found.detail):
        return ""
    if not place:
        return f"{found.status[0]}: {found.detail}"
    name = name_of(ref)
    said = f"image {place}" + (f" ({name})" if name and name not in found.detail else "")
    return f"{said}: {', '.join(found.status)}" + (f" ({found.detail})" if found.detail else "")


def next_window(posts: Iterator[Post], size: int) -> Iterator[Post]:
    """Yield the next posts: as many as have `size` images, counting those without one as if they had one."""
    images = 0
    for post in posts:
        yield post
        images += max(1, len(read_of(post.images)))
        if images >= size:
            return
