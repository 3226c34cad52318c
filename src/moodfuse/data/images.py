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
from typing import Annotated, Literal, TypeVar

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

#: An image is first brought down by a whole factor, by its decoder or as a mean of blocks, to no less than so many
#: times what the encoder sees: Pillow's `reducing_gap`.
_GAP = 2.0

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

    @property
    def edge(self) -> int:
        """The shorter side of an image once it is resized, or each side of one that is squashed, in pixels."""
        return round(self.size / self.crop)

    @property
    def enough(self) -> int:
        """The shorter side of an image that is enough for the encoder, in pixels: `look` need not decode more."""
        return math.ceil(_GAP * self.edge)


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


def look(ref: ImageRef, *, max_pixels: int = MAX_PIXELS, enough: int = 0) -> Seen:
    """Decode an image to RGB, turned upright, transparency on white (black where it would vanish), first of several.

    An image of more than `max_pixels` is not decoded; `MAX_PIXELS` is the most there can be. Nor is one that would take
    too much memory or time (`image_too_costly`); one of more than `image_cost.FULL_PIXELS` comes back smaller, and a
    JPEG whose decoder can halve its sides once or more and leave `enough` pixels on the shorter one.
    An image whose end is missing comes back as far as it goes (`image_truncated`); one of which nothing but a single
    colour is left is unreadable. Never raises for what a file holds. Thread-safe.
    """
    data = read_image(ref)
    if isinstance(data, Unread):
        return Seen(None, (data.status,), data.detail)
    return look_at(data, max_pixels=max_pixels, enough=enough)


def look_at(data: bytes, *, max_pixels: int = MAX_PIXELS, enough: int = 0) -> Seen:
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
            image, truncated = decode(header, data, enough)
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


def pixels(image: Image.Image, spec: ImageSpec, *, exact: bool = False) -> npt.NDArray[np.float32]:
    """Return the encoder's input for an RGB image: float32, `(3, spec.size, spec.size)`.

    `exact` gives what a Hugging Face image processor with the same settings gives (its Pillow backend), and takes
    longer; else values differ from that as those of `resized` do.
    """
    return standardised(resized(image, spec, exact=exact), spec)


def standardised(image: Image.Image, spec: ImageSpec) -> npt.NDArray[np.float32]:
    """Return the encoder's input for an RGB image that is `spec.size` wide and high."""
    values = np.asarray(image)  # (H, W, 3) uint8
    result = np.empty((3, *values.shape[:2]), np.float32)
    for channel, table in enumerate(_table(spec)):
        np.take(table, values[:, :, channel], out=result[channel], mode="clip")  # unlike "raise", without a copy
    return result


def resized(image: Image.Image, spec: ImageSpec, *, exact: bool = False) -> Image.Image:
    """Return the part of an RGB image that the encoder sees, `spec.size` wide and high.

    `exact` resizes all of the image and cuts the part out. Else the part alone is resized, which rounds some grey
    levels otherwise (in photos by 2 at most), and of an image `_GAP` times as large or more, blocks are averaged first.
    """
    size, edge = spec.size, spec.edge
    width, height = image.size
    if spec.resize == "squash":
        new_width = new_height = edge
    elif width <= height:
        new_width, new_height = edge, int(edge * height / width)
    else:
        new_width, new_height = int(edge * width / height), edge
    left, top = (new_width - size) // 2, (new_height - size) // 2
    resample = _FILTERS[spec.interpolation]
    if exact:
        return image.resize((new_width, new_height), resample).crop((left, top, left + size, top + size))
    across, down = width / new_width, height / new_height  # pixels of the image a pixel of the result
    right, bottom = min(width, (left + size) * across), min(height, (top + size) * down)
    return image.resize((size, size), resample, (left * across, top * down, right, bottom), _GAP)


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
    """Return an encoded image, or why there is none; pipes, devices and giants are not opened.

    Raises nothing but `MissingExtraError`, for an address without the package that fetches it.
    """
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
