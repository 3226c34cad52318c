"""What decoding an image may cost: bytes of memory, which all that decode at once share, and scans of a JPEG.

All of it is told before anything is decoded, by what the header and the markers say.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from pydantic import Field

from moodfuse.config import Section
from moodfuse.errors import ConfigError

#: Pixels of an image that are decoded as they are; a larger one is brought down by a whole factor, up to 3 of 64
#: megapixels: encoders see some 224 x 224 of it.
FULL_PIXELS = 8_000_000
_SMALL_BYTES = 8_000_000  # what takes less does not wait for others
_QUICK_BYTES, _QUICK_WORK = 32_000_000, 20_000_000  # bytes that decoding takes; pixels times scans: 120 ms at most
_SLOW_FORMATS = frozenset({"AVIF", "HEIF", "TIFF"})  # decoders that take long for few pixels, or fill the log
_SCAN = b"\xff\xda"
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # within a scan; a byte 0 or a restart is part of it
_TIFF_STRIPS, _TIFF_TILES, _TIFF_STRIP_BYTES, _TIFF_TILE_BYTES = 273, 324, 279, 325
_TIFF_BITS = 258
#: Bytes a pixel beside the image, at most: what a decoder that gives the whole image at once holds.
_BESIDE = {"WEBP": 12, "AVIF": 8, "HEIF": 8, "BMP": 2}
_BAND_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # every other mode: 4


class ImageLimits(Section):
    """Of each process; an environment variable of the name `MOODFUSE_` and the field's, in capitals, moves one."""

    image_bytes: int = Field(300_000_000, ge=1, description="bytes that decoding takes, of all images at once")
    jpeg_scans: int = Field(100, ge=1, description="scans of a JPEG; cameras and web tools write 1 to 12")
    jpeg_work: int = Field(700_000_000, ge=1, description="scans of a JPEG times its pixels")


@cache
def image_limits() -> ImageLimits:
    """Return the limits of this process. Raises `ConfigError` where an environment variable is no number."""
    given: dict[str, int] = {}
    for name in ImageLimits.model_fields:
        variable = f"MOODFUSE_{name.upper()}"
        if raw := os.environ.get(variable):
            if not raw.isdecimal() or int(raw) < 1:
                raise ConfigError(f"{variable}: expected a whole number of 1 or more, found {raw!r}")
            given[name] = int(raw)
    return ImageLimits(**given)


def reduction(width: int, height: int) -> int:
    """Return the whole factor by which an image is made smaller: 1 up to `FULL_PIXELS`."""
    factor = 1
    while width * height > FULL_PIXELS * factor**2:
        factor += 1
    return factor


def too_costly(header: ImageFile, data: bytes) -> str:
    """Say why an image is not to be decoded, "" where it is; `header` is what `parse_header` returns of `data`."""
    limits, pixels = image_limits(), header.width * header.height
    if (needed := decoding_bytes(header, data)) > limits.image_bytes:
        return f"decoding takes {needed // 10**6:,} MB; {limits.image_bytes // 10**6:,} MB are the most"
    scans, passes = _scans(header, data)
    if scans > limits.jpeg_scans:
        return f"{scans:,} scans; {limits.jpeg_scans:,} are the most"
    if passes * pixels > limits.jpeg_work:
        return f"{passes:,.0f} scans of {pixels / 10**6:,.1f} megapixels; together {limits.jpeg_work:,} are the most"
    return ""


def is_quick(header: ImageFile, data: bytes) -> bool:
    """Say whether an image is surely decoded, or refused, in little time and memory; saying so takes little, too."""
    if header.format in _SLOW_FORMATS or decoding_bytes(header, data) > _QUICK_BYTES:
        return False
    scans = data.count(_SCAN) if isinstance(header, JpegImageFile) else 1
    return scans * header.width * header.height <= _QUICK_WORK


def decoding_bytes(header: ImageFile, data: bytes) -> int:
    """Return about how many bytes decoding an image takes, the image itself among them."""
    pixels = header.width * header.height
    factor = reduction(*header.size)
    small = pixels // factor**2
    held = pixels * (_BAND_BYTES.get(header.mode, 4) + _BESIDE.get(header.format or "", 0))
    if isinstance(header, JpegImageFile):
        held //= min(factor, 2) ** 2  # the decoder itself makes it smaller, by powers of 2
        if data.count(_SCAN) > 1:  # all coefficients stand in memory until the last scan
            most = max((across * down for _, across, down, _ in header.layer), default=1)
            held += sum(2 * pixels * across * down // most for _, across, down, _ in header.layer)
    elif isinstance(header, TiffImageFile):
        bits = header.tag_v2.get(_TIFF_BITS, (8,))
        held += pixels // len(_strips(header)) * sum(bits if isinstance(bits, tuple) else (bits,)) // 8
    # What is transparent is laid on a background once it is small: four images stand there then.
    return int(max(held + 4 * small, 16 * small if header.has_transparency_data else 0))


def _scans(header: ImageFile, data: bytes) -> tuple[int, float]:
    """Return the most scans that a JPEG, or one in a strip of a TIFF, has, and their mean over all of the image."""
    most = data.count(_SCAN)  # metadata may hold the same bytes
    if isinstance(header, JpegImageFile):
        scans = most if most <= 1 else jpeg_scans(data)
        return scans, scans
    if not isinstance(header, TiffImageFile) or "jpeg" not in str(header.info.get("compression")) or not most:
        return 0, 0
    strips = _strips(header)
    if sum(length for _, length in strips) > 2 * len(data) + 2**16:  # the same bytes, time and again
        return most * len(strips), most
    each = [data[start : start + length].count(_SCAN) for start, length in strips]
    return max(each), sum(each) / len(each)


def jpeg_scans(data: bytes) -> int:
    """Count the scans of a JPEG up to its end; thumbnails and further images are none of it."""
    at, scans = 2, 0
    while (found := _MARKER.search(data, at)) is not None:
        name, at = data[found.end() - 1], found.end()
        if name == 0xD9:
            break
        if name in (0xD8, 0x01):  # these stand alone
            continue
        scans += name == 0xDA
        at += int.from_bytes(data[at : at + 2], "big")
    return scans


def _strips(header: TiffImageFile) -> list[tuple[int, int]]:
    """Return where the strips or tiles of a TIFF begin, and their lengths in bytes; one of length 0 where unsaid."""
    tags = header.tag_v2
    for place, length in ((_TIFF_STRIPS, _TIFF_STRIP_BYTES), (_TIFF_TILES, _TIFF_TILE_BYTES)):
        if tags.get(place):
            return list(zip(tags[place], tags.get(length) or (0,) * len(tags[place]), strict=False)) or [(0, 0)]
    return [(0, 0)]


class _Room:
    """Bytes that are given out and come back; who needs more than there are left waits."""

    def __init__(self) -> None:
        self._turn = threading.Lock()  # one waits at a time, lest small images overtake a large one for ever
        self._back = threading.Condition()
        self._taken = 0

    @contextmanager
    def take(self, wanted: int, most: int) -> Iterator[None]:
        with self._turn, self._back:
            self._back.wait_for(lambda: not self._taken or self._taken + wanted <= most)
            self._taken += wanted
        try:
            yield
        finally:
            with self._back:
                self._taken -= wanted
                self._back.notify_all()


_room = _Room()


def _new_room() -> None:
    global _room
    _room = _Room()


if hasattr(os, "register_at_fork"):  # what other threads of the parent hold never comes back in a child
    os.register_at_fork(after_in_child=_new_room)


@contextmanager
def room_to_decode(wanted: int) -> Iterator[None]:
    """Wait until `wanted` bytes are free beside what others decode in this process, and hold them."""
    if wanted < _SMALL_BYTES:
        yield
        return
    with _room.take(wanted, image_limits().image_bytes):
        yield
