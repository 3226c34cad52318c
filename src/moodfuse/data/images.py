"""From an encoded image to the pixels that an image encoder gets, whatever the file holds."""

from __future__ import annotations

import io
import math
import stat
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pydantic import AfterValidator, Field

from moodfuse.config import Section
from moodfuse.data.posts import ImageRef, ImageUri, Status
from moodfuse.data.remote import read_uri

#: Largest image that is decoded, in pixels.
MAX_PIXELS = 64_000_000
#: Largest encoded image that is read, in bytes.
MAX_BYTES = 256 * 2**20

#: Beyond this ratio of long to short side only the window that the crop keeps is resized: a 1 x 60,000 image
#: at 224 pixels would be 3 gigapixels otherwise.
_WINDOWED_RATIO = 16

# Pillow's own classes, by the first bytes. `Image.open` is not used because it warns of large images, and
# warnings can be silenced for all threads of a process only; the size is checked here, before decoding.
_FORMATS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF87a", GifImageFile),
    (b"GIF89a", GifImageFile),
    (b"RIFF", WebPImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # EXIF tag
_JPEG_TABLE = b"\xff\xc4"
_END_OF_JPEG = b"\xff\xd9" * 512  # an end for every look ahead that the decoder takes
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


def open_image(ref: ImageRef, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image | None, list[Status]]:
    """Decode an image to RGB, turned upright, transparency on white, first frame of several.

    Returns `None` where there is nothing to see, and what is to be said of it (an empty list where all is well).
    An image of more than `max_pixels` is not decoded; `MAX_PIXELS` is the most there can be.
    An image whose end is missing comes back as far as it goes (`image_truncated`); one of which nothing but a single
    colour is left is unreadable. Never raises for what a file holds. Thread-safe.
    """
    data = ref.source if isinstance(ref.source, bytes) else read_image(ref.source)
    if isinstance(ref, ImageUri):
        data = read_uri(ref.uri, MAX_BYTES)
    if isinstance(data, Status):
        return None, [data]
    if len(data) > MAX_BYTES:
        return None, [Status.IMAGE_TOO_LARGE]
    try:
        image = parse_header(data)
        if image.width * image.height > min(max_pixels, MAX_PIXELS):
            return None, [Status.IMAGE_TOO_LARGE]
        loaded, truncated = _load(image, data)
        rgb = _to_rgb(_upright(loaded))
    except Image.DecompressionBombError:
        return None, [Status.IMAGE_TOO_LARGE]
    except Exception:  # Pillow raises nearly everything for hostile bytes, and one post must not end a job
        return None, [Status.IMAGE_UNREADABLE]
    return rgb, [Status.IMAGE_TRUNCATED] if truncated else []


def image_bytes(ref: ImageRef) -> bytes | None:
    """Return an encoded image as it is; `None` where there is none, and for a pipe, a device or a giant."""
    data = read_uri(ref.uri, MAX_BYTES) if isinstance(ref, ImageUri) else ref.source
    if isinstance(data, Path):
        data = read_image(data)
    return None if isinstance(data, Status) or len(data) > MAX_BYTES else data


def pixels(image: Image.Image, spec: ImageSpec) -> npt.NDArray[np.float32]:
    """Return the encoder's input for an RGB image: float32, `(3, spec.size, spec.size)`.

    Equal to what a Hugging Face image processor with the same settings gives (its Pillow backend). Images longer
    than 16 times their width may differ from it by a grey level of rounding.
    """
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
        resized = part.resize((across.length, down.length), resample, box=box)
        left, top = across.margin, down.margin
    else:
        resized = image.resize((new_width, new_height), resample)
    values = np.asarray(resized.crop((left, top, left + size, top + size)))  # (H, W, 3) uint8
    table = _table(spec)
    return np.stack([table[channel][values[:, :, channel]] for channel in range(3)])  # (3, H, W)


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


def read_image(path: Path) -> bytes | Status:
    """Return a file's bytes, or why there are none. Never raises, and opens neither pipes nor giants."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            return Status.IMAGE_UNREADABLE
        if found.st_size > MAX_BYTES:
            return Status.IMAGE_TOO_LARGE
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name no file can have
        return Status.IMAGE_MISSING
    except OSError:
        return Status.IMAGE_UNREADABLE


def parse_header(data: bytes) -> ImageFile:
    """Read the header. Raises anything for bytes that are no image of a known format."""
    for magic, kind in _FORMATS:
        if data.startswith(magic):
            return kind(io.BytesIO(data))
    raise ValueError("no image of a known format")


def _load(image: ImageFile, data: bytes) -> tuple[Image.Image, bool]:
    """Decode, and say whether the end was missing. Raises where next to nothing could be decoded.

    `ImageFile.LOAD_TRUNCATED_IMAGES` would do the same but holds for all threads, so that a truncated image that
    another thread decodes meanwhile would pass for whole. Pillow decodes into `image` row by row, so what was
    decoded before an error is there still; it must only be told not to try again.
    """
    try:
        image.load()
    except Exception:
        if isinstance(image, JpegImageFile):  # a progressive JPEG gives its scans only once it has seen an end
            image = _reload_jpeg(data)
        image.tile = []
        image.load()
        if _blank(image):
            raise
        return image, True
    return image, False


def _blank(image: ImageFile) -> bool:
    """Say whether what was decoded is one colour; a JPEG's first blocks aside, which its added end fills with noise."""
    margin = 64 if isinstance(image, JpegImageFile) and max(image.size) > 64 else 0
    width, height = image.size
    for box in ((0, margin, width, height), (margin, 0, width, height)):
        if box[0] < width and box[1] < height:
            extremes: Any = image.crop(box).getextrema()
            if any(low != high for low, high in (extremes if isinstance(extremes[0], tuple) else [extremes])):
                return False
    return True


def _reload_jpeg(data: bytes) -> ImageFile:
    """Decode a JPEG with an end added: after its last byte or, where that lies within a table, before the table."""
    for end in (len(data), data.rfind(_JPEG_TABLE)):
        image = parse_header(data[:end] + _END_OF_JPEG)
        try:
            image.load()
        except Exception:
            continue
        break
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF data says; data that cannot be read says nothing."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = image.info  # holds the transparent colour, which transpose drops for some modes
    return turned


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _to_8_bit(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale grey values to 0..255. Pillow's own conversion clips them, so that most of the image turns white.

    16 bits: 65535 is white. Integers and floats of no stated range: the smallest of 1 (floats), 255, 65535 that
    holds the image is white, else its largest value.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(values.max())
    if image.mode.startswith("I;16"):
        white = 65535.0
    else:
        scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        white = next((scale for scale in scales if largest <= scale), largest)
    return Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))
