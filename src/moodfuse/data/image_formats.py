"""What a file is by its first bytes: the formats of images that moodfuse reads, and names of others."""

from __future__ import annotations

import importlib.util
import re
from functools import cache

#: The formats of images that are read, as Pillow calls them: what their names end with, the usual ending first.
SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".mpo"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
}
#: First bytes that `image_format` goes by.
HEAD_BYTES = 64
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_NAMES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"Rar!", "RAR archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"\x1aE\xdf\xa3", "video (WebM or Matroska)"),
    (b"OggS", "sound or video (Ogg)"),
    (b"FLV", "video (Flash)"),
    (b"ID3", "sound (MP3)"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "icon (ICO)"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"version https://git-lfs", "Git LFS pointer"),
)
_NETPBM = re.compile(rb"P[1-6]\s")
_RIFF = {b"AVI ": "video (AVI)", b"WAVE": "sound (WAV)"}
_MARKUP = (
    (re.compile(rb"<!doctype html|<html|<head|<body|<script", re.I), "web page (HTML)"),
    (re.compile(rb"<svg", re.I), "SVG"),
    (re.compile(rb"<\?xml|<error|<[a-z]+>", re.I), "XML"),
)


def image_format(data: bytes) -> str | None:
    """Return the format of an image that may be read, by its first bytes; `None` for anything else."""
    for magic, name in _SIGNATURES:
        if data.startswith(magic):
            return name
    if data.startswith(b"RIFF"):
        return "WEBP" if data[8:12] == b"WEBP" else None
    brand = _brand(data)
    if brand in _AVIF or (brand in (b"mif1", b"msf1") and b"avif" in data[16:HEAD_BYTES]):
        return "AVIF"
    return "HEIF" if brand in _HEIC else None


def unknown_format(data: bytes) -> str | None:
    """Return the name of a format that cannot be read here, and what would help; `None` where it can, or has no name.

    HEIC is read with the extra `heic`, AVIF where Pillow was built with it.
    """
    format = image_format(data)
    if format == "AVIF":
        return None if _reads_avif() else "AVIF: this Pillow cannot read it"
    if format == "HEIF":
        return None if _reads_heic() else "HEIC: pip install 'moodfuse[heic]'"
    if format is not None:
        return None
    if _brand(data):
        return "video (MP4)"
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12])
    for magic, name in _NAMES:
        if data.startswith(magic):
            return name
    if _NETPBM.match(data):
        return "PPM"
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    return _markup(start) if start.startswith(b"<") else None


def _brand(data: bytes) -> bytes:
    """Return the main brand of an ISO media file (AVIF, HEIC, MP4), b"" for any other file."""
    return data[8:12] if data[4:8] == b"ftyp" else b""


def _markup(start: bytes) -> str | None:
    return next((name for pattern, name in _MARKUP if pattern.search(start)), None)


@cache
def _reads_avif() -> bool:
    try:
        from PIL.AvifImagePlugin import SUPPORTED
    except ImportError:
        return False
    return bool(SUPPORTED)


@cache
def _reads_heic() -> bool:
    return importlib.util.find_spec("pillow_heif") is not None
