"""Small files that are costly to decode."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def with_scans(jpeg: bytes, scans: int) -> bytes:
    """Return a progressive JPEG whose last scan stands there so often that it has `scans` of them."""
    last = jpeg.rfind(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * (scans - jpeg.count(b"\xff\xda") + 1) + b"\xff\xd9"


def progressive(side: int, scans: int) -> bytes:
    return with_scans(encoded(Image.new("RGB", (side, side), "olive"), "JPEG", progressive=True), scans)


def giants(side: int = 8_000) -> dict[str, bytes]:
    """Return images of 64 megapixels in a few kilobytes, in ways that take much memory."""
    blank = Image.new("RGBA", (side, side), (1, 2, 3, 100))
    return {
        "png, 16 bits": encoded(Image.fromarray(np.full((side, side), 40_000, np.uint16)), "PNG", compress_level=1),
        "png, transparent": encoded(blank, "PNG", compress_level=1),
        "webp, transparent": encoded(blank, "WEBP", lossless=True, method=0),
        "jpeg": encoded(blank.convert("RGB"), "JPEG"),
    }
