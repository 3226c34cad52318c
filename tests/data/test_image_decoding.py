"""Images whose pixels are all there, or nearly, whatever stands around them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from moodfuse.data.image_formats import unknown_format
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef, Status


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def photo(width: int = 200, height: int = 160) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((width, height))


def chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    return (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) if crc is None else crc)
    )


def png_with(extra: bytes, *, behind: bool) -> bytes:
    data = encoded(photo(), "PNG")
    at = data.index(b"IEND") - 4 if behind else 33  # 33: behind IHDR
    return data[:at] + extra + data[at:]


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(chunk(b"tEXt", b"k\0value", crc=1), id="wrong checksum"),
        pytest.param(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20_000_000))), id="too much text"),
        pytest.param(chunk(b"iTXt", b"k\0\1\0\0\0broken"), id="broken text"),
        pytest.param(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"p" * 5_000_000)), id="large profile"),
    ],
)
def test_what_stands_beside_a_pngs_pixels_does_not_matter(extra: bytes, behind: bool) -> None:
    found = look(ImageRef(png_with(extra, behind=behind)))
    assert found.status == ()
    np.testing.assert_array_equal(np.asarray(found.image), np.asarray(photo()))


def test_a_png_that_is_cut_off_is_still_cut_off() -> None:
    data = png_with(chunk(b"tEXt", b"k\0value", crc=1), behind=False)
    found = look(ImageRef(data[: len(data) // 2]))
    assert found.status == (Status.IMAGE_TRUNCATED,)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_whose_end_is_zeros_is_cut_off(progressive: bool) -> None:
    data = encoded(photo(640, 480), "JPEG", quality=90, progressive=progressive)
    half = len(data) // 2
    found = look(ImageRef(data[:half] + bytes(len(data) - half)))
    assert found.status == (Status.IMAGE_TRUNCATED,)
    assert found.image is not None


def test_zeros_behind_the_end_of_a_jpeg_are_nothing() -> None:
    data = encoded(photo(), "JPEG")
    thumbnail = encoded(photo(40, 40), "JPEG")
    assert look(ImageRef(data + bytes(5000))).status == ()
    assert look(ImageRef(data + b"trailer of a phone" + bytes(5000))).status == ()
    # The end of a thumbnail in the header is not the picture's.
    framed = encoded(photo(640, 480), "JPEG", exif=b"Exif\0\0" + thumbnail, quality=90)
    assert look(ImageRef(framed[: len(framed) * 2 // 3] + bytes(len(framed) // 3))).status == (Status.IMAGE_TRUNCATED,)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")
def test_avif_is_read() -> None:
    found = look(ImageRef(encoded(photo(), "AVIF", quality=90)))
    assert found.status == ()
    assert found.image is not None
    assert np.abs(np.asarray(found.image).astype(int) - np.asarray(photo())).mean() < 12


def test_heic_is_read_with_the_extra_and_named_without() -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    buffer = io.BytesIO()
    heif.from_pillow(photo()).save(buffer, quality=90)
    found = look(ImageRef(buffer.getvalue()))
    assert found.status == ()
    assert found.image is not None
    assert found.image.size == (200, 160)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "HEIC"),
        (b"<!DOCTYPE html><html>404</html>", "web page (HTML)"),
        (b"\xef\xbb\xbf\n  <HTML>", "web page (HTML)"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "video (MP4)"),
        (b"\x1aE\xdf\xa3\x01", "video (WebM or Matroska)"),
        (b"RIFF\0\0\0\0AVI LIST", "video (AVI)"),
        (b"PK\x03\x04\x14\0", "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_what_is_of_another_format_is_named(data: bytes, named: str) -> None:
    found = look(ImageRef(data))
    if named == "HEIC" and unknown_format(data) is None:
        pytest.skip("the extra heic is installed")
    assert found.status == (Status.IMAGE_FORMAT_UNKNOWN,)
    assert found.detail.startswith(named)


def words(colour: tuple[int, int, int], background: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Image.Image:
    image = Image.new("RGBA", (200, 60), background)
    ImageDraw.Draw(image).text((10, 20), "so happy today, so happy", (*colour, 255))
    return image


def test_transparency_lies_on_white_unless_the_picture_would_vanish() -> None:
    def corner_and_contrast(image: Image.Image) -> tuple[int, bool]:
        seen = look(ImageRef(encoded(image, "PNG"))).image
        assert seen is not None
        grey = np.asarray(seen.convert("L"))
        return int(grey[0, 0]), bool(grey.std() > 6)

    assert corner_and_contrast(words((0, 0, 0))) == (255, True)
    assert corner_and_contrast(words((200, 30, 30))) == (255, True)
    assert corner_and_contrast(words((255, 255, 255))) == (0, True)
    assert corner_and_contrast(words((252, 252, 250))) == (0, True)
    assert corner_and_contrast(Image.new("RGBA", (20, 20), (0, 0, 0, 0))) == (255, False)
    palette = words((255, 255, 255)).quantize(8)
    assert corner_and_contrast(palette) == (0, True)


def test_a_file_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    found = look(ImageRef(tmp_path / "gone.jpg"))
    assert (found.status, found.detail) == ((Status.IMAGE_NOT_FOUND,), f"looked for {tmp_path / 'gone.jpg'}")
    assert look(ImageRef(tmp_path / ("x" * 300 + ".jpg"))).status == (Status.IMAGE_NOT_FOUND,)
