"""From encoded bytes to an RGB image, whatever they hold."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageStat
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from moodfuse.data.image_cost import reduction
from moodfuse.data.image_formats import image_format

# Pillow's own classes. `Image.open` is not used because it warns of large images, and warnings can be silenced for all
# threads of a process only; the size is checked by the caller, before decoding.
_CLASSES: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "GIF": GifImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
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
_JPEG_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"
_END_OF_JPEG = _JPEG_END * 512  # an end for every look ahead that the decoder takes
_ZEROED = bytes(32)  # no JPEG's scan ends like this
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_STRIP_PIXELS = 500_000
# Memory in blocks of Pillow's own 16 MiB stays with the thread that had it, once freed; larger ones go back at once.
if "PILLOW_BLOCK_SIZE" not in os.environ:
    Image.core.set_block_size(2**26)  # type: ignore[attr-defined]
# What is wrong with a file is a status, not lines on stderr. The limit of size, which Pillow warns of too, is another
# kind of warning.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
_fax = threading.local()


def _note_tiff_error(module: bytes | None, _format: bytes | None, _values: int | None) -> None:
    """Note, for this thread, that libtiff's fax decoder met bad codes: it goes on, and says nothing else of them."""
    if (module or b"").startswith(b"Fax"):
        _fax.damaged = True


# Held here: libtiff calls it.
_TIFF_ERRORS = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)(_note_tiff_error)
with suppress(AttributeError, OSError):  # where libtiff is no library of its own
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(_TIFF_ERRORS)  # type: ignore[attr-defined]
#: Least standard deviation of the grey levels (0..255) of a picture that can be seen against its background.
_LEAST_CONTRAST = 6.0


def parse_header(data: bytes) -> ImageFile:
    """Read the header, of a PNG without its metadata where they are broken.

    Raises anything for bytes that are no image of a known format.
    """
    try:
        return _parse(data)
    except Exception:
        if (bare := _without_metadata(data)) is None:
            raise
        return _parse(bare)


def _parse(data: bytes) -> ImageFile:
    format = image_format(data)
    if format == "AVIF":
        from PIL.AvifImagePlugin import AvifImageFile

        return AvifImageFile(io.BytesIO(data))
    if format == "HEIF":
        from pillow_heif.as_plugin import HeifImageFile

        return HeifImageFile(io.BytesIO(data))  # type: ignore[no-any-return]
    if format is None:
        raise ValueError("no image of a known format")
    return _CLASSES[format](io.BytesIO(data))


def decode(header: ImageFile, data: bytes, enough: int = 0) -> tuple[Image.Image, bool]:
    """Return the image as RGB, upright, first frame of several, and whether its end was missing.

    One of more than `FULL_PIXELS` is made smaller by a whole factor: by the decoder where it can, a JPEG's, else strip
    by strip once it is decoded. A JPEG whose shorter side has more than `enough` pixels may be made smaller to as many
    (0: it is not). `header` is what `parse_header` returns of `data`, and is used up: the caller looks at
    how large the image will be. Raises anything for what is next to no image: Pillow raises nearly everything for
    hostile bytes.
    """
    loaded, truncated = _open(header, data, enough)
    turn = _turn(loaded)
    image = _to_rgb(loaded)
    return image if turn is None else image.transpose(turn), truncated


def _open(header: ImageFile, data: bytes, enough: int) -> tuple[Image.Image, bool]:
    try:
        image, truncated = _load(header, data, enough)
    except Exception:
        if (bare := _without_metadata(data)) is None:
            raise
        return _load(_parse(bare), bare, enough)
    if truncated and (bare := _without_metadata(data)) is not None:
        return _load(_parse(bare), bare, enough)
    return image, truncated


def _load(image: ImageFile, data: bytes, enough: int) -> tuple[ImageFile, bool]:
    """Decode, and say whether the end was missing. Raises where next to nothing could be decoded.

    `ImageFile.LOAD_TRUNCATED_IMAGES` would do the same but holds for all threads, so that a truncated image that
    another thread decodes meanwhile would pass for whole. Pillow decodes into `image` row by row, so what was
    decoded before an error is there still; it must only be told not to try again.
    """
    _draft(image, enough)
    _fax.damaged = False
    try:
        image.load()
    except Exception:
        if isinstance(image, JpegImageFile):  # a progressive JPEG gives its scans only once it has seen an end
            image = _reload_jpeg(data, enough)
        image.tile = []
        image.load()
        if _blank(image):
            raise
        return image, True
    if isinstance(image, JpegImageFile) and _zeroed(data):
        if _blank(image):
            raise ValueError("nothing but zeros behind the header")
        return image, True
    return image, _fax.damaged


def _zeroed(data: bytes) -> bool:
    """Say whether a JPEG ends in zeros without an end: a download that was cut off in a file of full size.

    Nothing may follow the end but what somebody appended, zeros too; within a scan its mark cannot stand.
    """
    return data.endswith(_ZEROED) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN)


def _without_metadata(data: bytes) -> bytes | None:
    """Return a PNG with what makes its pixels alone: texts may be broken, or larger than Pillow takes."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return data[:8] + b"".join(chunk for name, chunk in _png_chunks(data) if name in _PNG_PIXELS)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at:end]
        at = end


def _blank(image: ImageFile) -> bool:
    """Say whether what was decoded is one colour; a JPEG's first blocks aside, which its added end fills with noise."""
    width, height = image.size
    parts: list[Image.Image] = [image]
    if isinstance(image, JpegImageFile) and max(image.size) > 64:
        boxes = ((0, 64, width, height), (64, 0, width, height))
        parts = [image.crop(box) for box in boxes if box[0] < width and box[1] < height]
    for part in parts:
        extremes: Any = part.getextrema()
        if any(low != high for low, high in (extremes if isinstance(extremes[0], tuple) else [extremes])):
            return False
    return True


def _reload_jpeg(data: bytes, enough: int) -> ImageFile:
    """Decode a JPEG with an end added: after its last byte or, where that lies within a table, before the table."""
    for end in (len(data), data.rfind(_JPEG_TABLE)):
        image = _parse(data[:end] + _END_OF_JPEG)
        _draft(image, enough)
        try:
            image.load()
        except Exception:
            continue
        break
    return image


def _draft(image: ImageFile, enough: int) -> None:
    """Have a large JPEG decoded at a half, a quarter or an eighth of its size, which costs less than all of it."""
    factor = max(reduction(*image.size), min(image.size) // enough if enough else 1)
    if factor > 1 and isinstance(image, JpegImageFile):
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Say how to turn the image upright, as its EXIF data says; data that cannot be read says nothing."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return an image as RGB of `FULL_PIXELS` at most, and close it, so that it stands in memory no longer."""
    factor = reduction(*image.size)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        white = _white(image)
        grey = _by_strips(image, factor, "L", lambda strip: _to_8_bit(strip, white))
        image.close()
        return grey.convert("RGB")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    small = image.convert(mode) if factor == 1 else _by_strips(image, factor, mode, lambda strip: strip.convert(mode))
    image.close()
    return small if mode == "RGB" else _on_background(small)


def _by_strips(
    image: Image.Image, factor: int, mode: str, convert: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Return an image converted and made smaller strip by strip, so that it never stands in memory twice."""
    width, height = image.size
    result = Image.new(mode, (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _STRIP_PIXELS // (width * factor))
    for top in range(0, height, rows):
        strip = convert(image.crop((0, top, width, min(height, top + rows))))
        result.paste(strip.reduce(factor), (0, top // factor))
    return result


def _on_background(picture: Image.Image) -> Image.Image:
    """Lay a picture that is transparent in part on white, on black where it would vanish: white letters, for one."""
    white = _laid(picture, "white")
    if _contrast(white) >= _LEAST_CONTRAST:
        return white
    black = _laid(picture, "black")
    return black if _contrast(black) >= _LEAST_CONTRAST else white


def _laid(picture: Image.Image, colour: str) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture).convert("RGB")


def _contrast(image: Image.Image) -> float:
    return ImageStat.Stat(image.convert("L")).stddev[0]


def _white(image: Image.Image) -> float:
    """Return the grey value that is white. Pillow's own conversion clips at 255, so that most of the image turns white.

    16 bits: 65535. Integers and floats of no stated range: the smallest of 1 (floats), 255, 65535 that holds the
    image, else its largest value.
    """
    if image.mode.startswith("I;16"):
        return 65535.0
    rows = max(1, _STRIP_PIXELS // image.width)
    strips = (image.crop((0, top, image.width, min(image.height, top + rows))) for top in range(0, image.height, rows))
    largest = max(float(_values(strip).max()) for strip in strips)
    scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    return next((scale for scale in scales if largest <= scale), largest)


def _to_8_bit(image: Image.Image, white: float) -> Image.Image:
    """Scale grey values to 0..255."""
    return Image.fromarray(np.clip(np.rint(_values(image) * (255 / white)), 0, 255).astype(np.uint8))


def _values(image: Image.Image) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # a signalling NaN
        values = np.asarray(image).astype(np.float64)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
