"""From an encoded image to the pixels that an image encoder gets, whatever the file holds."""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import AfterValidator, Field

from moodfuse.config import Section
from moodfuse.data.fetching import fetch_ahead
from moodfuse.data.image_cost import decoding_bytes, room_to_decode, too_costly
from moodfuse.data.image_decoding import decode, parse_header
from moodfuse.data.image_formats import unknown_format
from moodfuse.data.posts import ImageRef, ImageUri, Posts, Status, Unread
from moodfuse.data.remote import read_uri
from moodfuse.errors import ConfigError
from moodfuse.progress import Progress

_T = TypeVar("_T")

#: Largest image that is decoded, in pixels.
MAX_PIXELS = 64_000_000
#: Largest encoded image that is read, in bytes.
MAX_BYTES = 256 * 2**20
#: Most images of a post that are read: the mean of more would hardly move.
MAX_IMAGES = 32

#: Beyond this ratio of long to short side only the window that the crop keeps is resized: a 1 x 60,000 image
#: at 224 pixels would be 3 gigapixels otherwise.
_WINDOWED_RATIO = 16

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def _nonzero(value: float) -> float:
    if value == 0:
        raise ValueError("a standard deviation must not be 0")
    return value


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Nonzero = Annotated[_Finite, AfterValidator(_nonzero)]


class ImageSpec(Section):
    """How an RGB image becomes an encoder's `(3, size, size)` input. Kept in a bundle's manifest.

    A value v in 0..255 becomes `(v * scale - mean) / std`, per channel: ImageNet models have scale 1/255 and a
    mean of 0.485 0.456 0.406; EfficientNet-Lite has scale 1, mean 127, std 128.
    """

    size: int = Field(224, ge=1, le=2048, description="side of the square that the encoder sees, in pixels")
    resize: Literal["shortest_edge", "squash"] = Field(
        "shortest_edge", description="keep the proportions and cut the middle out, or squash to a square first"
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field("bicubic", description="Pillow's")
    crop: float = Field(
        1.0,
        ge=0.01,  # an image is resized to 1 / crop of the size; what is smaller costs memory and no model has it
        le=1,
        description="share of the resized side that the centre crop keeps: an image is resized to round(size / crop), "
        "so size / edge names any edge exactly",
    )
    mean: tuple[_Finite, _Finite, _Finite] = Field((0.485, 0.456, 0.406), description="of red, green, blue")
    std: tuple[_Nonzero, _Nonzero, _Nonzero] = Field((0.229, 0.224, 0.225), description="of red, green, blue")
    scale: float = Field(1 / 255, gt=0, allow_inf_nan=False, description="multiplies the values 0..255 first")


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of an image: `image` is `None` where there is nothing to see, `status` empty where all is well.

    `detail` says what a status alone does not: the path that was tried, the format that was found. `format`, `mode`
    and `size` are what the file says of itself in Pillow's words, `None` where it says nothing that can be read.
    """

    image: Image.Image | None
    status: tuple[Status, ...] = ()
    detail: str = ""
    format: str | None = None
    mode: str | None = None
    size: tuple[int, int] | None = None


def look(ref: ImageRef, *, max_pixels: int = MAX_PIXELS) -> Seen:
    """Decode an image to RGB, turned upright, transparency on white (black where it would vanish), first of several.

    An image of more than `max_pixels` is not decoded; `MAX_PIXELS` is the most there can be. Nor is one that would take
    too much memory or time (`image_too_costly`); one of more than `image_cost.FULL_PIXELS` comes back smaller.
    An image whose end is missing comes back as far as it goes (`image_truncated`); one of which nothing but a single
    colour is left is unreadable. Never raises for what a file holds. Thread-safe.
    """
    data = read_image(ref)
    if isinstance(data, Unread):
        return Seen(None, (data.status,), data.detail)
    return look_at(data, max_pixels=max_pixels)


def look_at(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Seen:
    """Decode an image from its bytes, as `look` does."""
    if len(data) > MAX_BYTES:
        return Seen(None, (Status.IMAGE_TOO_LARGE,))
    if (format := unknown_format(data)) is not None:
        return Seen(None, (Status.IMAGE_FORMAT_UNKNOWN,), format)
    try:
        header = parse_header(data)
    except Exception:  # Pillow raises nearly everything for hostile bytes, and one post must not end a job
        return Seen(None, (Status.IMAGE_UNREADABLE,), "" if data else "empty")
    says = (header.format, header.mode, header.size)
    if header.width * header.height > min(max_pixels, MAX_PIXELS):
        return Seen(None, (Status.IMAGE_TOO_LARGE,), "", *says)
    try:
        if costly := too_costly(header, data):
            return Seen(None, (Status.IMAGE_TOO_COSTLY,), costly, *says)
        with room_to_decode(decoding_bytes(header, data)):
            image, truncated = decode(header, data)
    except ConfigError:
        raise
    except Image.DecompressionBombError:
        return Seen(None, (Status.IMAGE_TOO_LARGE,), "", *says)
    except Exception:
        return Seen(None, (Status.IMAGE_UNREADABLE,), "", *says)
    return Seen(image, (Status.IMAGE_TRUNCATED,) if truncated else (), "", *says)


def each_image(posts: Posts, work: Callable[[ImageRef], _T], progress: Progress, what: str) -> dict[str, list[_T]]:
    """Return what `work`, in threads, makes of every image that is read, by its post's id; posts without any are not.

    `progress` is told of `what`, image by image.
    """
    pictured = [(post.id, image) for post in posts for image in read_of(post.images)]
    fetch_ahead(image for _, image in pictured)
    found: dict[str, list[_T]] = {id: [] for id, _ in pictured}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        made = pool.map(work, (image for _, image in pictured))
        for done, ((id, _), one) in enumerate(zip(pictured, made, strict=True), start=1):
            found[id].append(one)
            progress(what, done, len(pictured))
    return found


def read_of(refs: Sequence[ImageRef]) -> Sequence[ImageRef]:
    """Return those of a post's images that are read: the first `MAX_IMAGES`."""
    return refs[:MAX_IMAGES]


def name_of(ref: ImageRef) -> str:
    """Return what a person knows an image by: its path or address, "" for bytes."""
    if isinstance(ref, ImageUri):
        return ref.uri
    return str(ref.source) if isinstance(ref.source, Path) else ""


def pixels(image: Image.Image, spec: ImageSpec) -> npt.NDArray[np.float32]:
    """Return the encoder's input for an RGB image: float32, `(3, spec.size, spec.size)`.

    Equal to what a Hugging Face image processor with the same settings gives (its Pillow backend). Images longer
    than 16 times their width may differ from it by a grey level of rounding.
    """
    return standardised(resized(image, spec), spec)


def standardised(image: Image.Image, spec: ImageSpec) -> npt.NDArray[np.float32]:
    """Return the encoder's input for an RGB image that is `spec.size` wide and high."""
    values = np.asarray(image)  # (H, W, 3) uint8
    table = _table(spec)
    return np.stack([table[channel][values[:, :, channel]] for channel in range(3)])  # (3, H, W)


def resized(image: Image.Image, spec: ImageSpec) -> Image.Image:
    """Return the part of an RGB image that the encoder sees, `spec.size` wide and high."""
    size = spec.size
    edge = round(size / spec.crop)
    width, height = image.size
    if spec.resize == "squash":
        new_width = new_height = edge
    elif width <= height:
        new_width, new_height = edge, int(edge * height / width)
    else:
        new_width, new_height = int(edge * width / height), edge
    left, top = (new_width - size) // 2, (new_height - size) // 2
    resample = _FILTERS[spec.interpolation]
    if spec.resize == "shortest_edge" and max(width, height) > _WINDOWED_RATIO * min(width, height):
        across = _window(width, new_width, left, size)
        down = _window(height, new_height, top, size)
        part = image.crop((across.start, down.start, across.stop, down.stop))
        box = (across.first, down.first, across.last, down.last)
        whole = part.resize((across.length, down.length), resample, box=box)
        left, top = across.margin, down.margin
    else:
        whole = image.resize((new_width, new_height), resample)
    return whole.crop((left, top, left + size, top + size))


class _Window(NamedTuple):
    """Along one side: the source pixels start..stop, the box first..last among them, and its length once resized."""

    start: int
    stop: int
    first: float
    last: float
    length: int
    margin: int


def _window(source: int, resized: int, offset: int, size: int) -> _Window:
    """Say which part of a side of `source` pixels is needed for the pixels offset..offset + size of `resized`."""
    step = source / resized  # source pixels a resized pixel
    margin = min(offset, math.ceil(4 * max(1.0, 1 / step)))  # Lanczos, the widest, looks 3 pixels far
    begin, end = offset - margin, min(resized, offset + size + margin)
    start, stop = math.floor(begin * step), min(source, math.ceil(end * step))
    last = min(end * step - start, stop - start)
    return _Window(start, stop, begin * step - start, last, end - begin, margin)


@lru_cache(maxsize=64)
def _table(spec: ImageSpec) -> npt.NDArray[np.float32]:
    """Return what each of the 256 values becomes in each channel, `(3, 256)`, computed in Hugging Face's order."""
    values = (np.arange(256, dtype=np.float64) * spec.scale).astype(np.float32)
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    return np.asarray((values - mean[:, None]) / std[:, None], np.float32)


def image_bytes(ref: ImageRef | None) -> bytes | None:
    """Return an encoded image as `read_image` does, `None` where there is none or it may not be read."""
    data = None if ref is None else read_image(ref)
    return None if isinstance(data, Unread) else data


def read_image(ref: ImageRef) -> bytes | Unread:
    """Return an encoded image, or why there is none. Never raises, and opens neither pipes, devices nor giants."""
    if isinstance(ref, ImageUri):
        return read_uri(ref, MAX_BYTES)
    if isinstance(path := ref.source, bytes):
        return path
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            return Unread(Status.IMAGE_UNREADABLE, "not a file")
        if found.st_size > MAX_BYTES:
            return Unread(Status.IMAGE_TOO_LARGE)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name no file can have
        return Unread(Status.IMAGE_NOT_FOUND, f"looked for {path}")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return Unread(Status.IMAGE_NOT_FOUND, f"looked for {str(path)[:200]}")
        return Unread(Status.IMAGE_UNREADABLE, error.strerror or "")
