from __future__ import annotations

import io
import math
import os
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from pydantic import ValidationError

from moodfuse.data import images
from moodfuse.data.images import ImageSpec, Seen, look, pixels
from moodfuse.data.posts import ImageRef, Status


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours with some noise: close to a photo for codecs and filters."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def open_image(ref: ImageRef) -> tuple[Image.Image | None, list[Status]]:
    found = look(ref)
    return found.image, list(found.status)


def opened(image: Image.Image, format: str = "PNG", **options: Any) -> np.ndarray:
    rgb, statuses = open_image(ImageRef(encoded(image, format, **options)))
    assert statuses == []
    assert rgb is not None
    assert rgb.mode == "RGB"
    return np.asarray(rgb)


# Formats and modes


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_six_formats_open(format: str) -> None:
    photo = noise(60, 40)
    assert np.abs(opened(photo, format).astype(int) - np.asarray(photo)).mean() < 12  # the lossy ones come near


@pytest.mark.parametrize("format", ["ICO", "PPM", "TGA"])
def test_other_formats_do_not(format: str) -> None:
    named = {"ICO": "icon (ICO)", "PPM": "PPM"}  # a TGA does not say that it is an image
    status = Status.IMAGE_FORMAT_UNKNOWN if format in named else Status.IMAGE_UNREADABLE
    assert look(ImageRef(encoded(noise(32, 32), format))) == Seen(None, (status,), named.get(format, ""))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_white(mode: str) -> None:
    image = Image.new(mode, (2, 1), (0, 0) if mode == "LA" else (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    assert opened(image).tolist() == [[[255, 255, 255], [0, 0, 0]]]


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_palette_colour_is_white(format: str) -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert opened(image, format, transparency=0).tolist() == [[[255, 255, 255], [200, 100, 50]]]
    assert opened(image, format).tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_a_transparent_rgb_colour_is_white() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (9, 8, 7))
    assert opened(image, transparency=(1, 2, 3)).tolist() == [[[255, 255, 255], [9, 8, 7]]]


def test_grey_and_bilevel() -> None:
    assert opened(Image.new("L", (1, 1), 77)).tolist() == [[[77, 77, 77]]]
    assert opened(Image.new("1", (1, 1), 1)).tolist() == [[[255, 255, 255]]]


def test_cmyk_jpeg_is_not_a_negative() -> None:
    red = Image.new("RGB", (16, 16), (250, 10, 10)).convert("CMYK")
    assert np.abs(opened(red, "JPEG").astype(int) - (250, 10, 10)).max() < 12


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 300, 32768, 65535]], dtype=np.uint16)
    for format in ("PNG", "TIFF"):
        assert opened(Image.fromarray(values), format)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0, np.nan]], np.float32), [0, 128, 255, 0]),
        (np.array([[-5.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[0, 500_000, 1_000_000]], np.int32), [0, 128, 255]),
    ],
)
def test_float_and_integer_grey(values: np.ndarray, expected: list[int]) -> None:
    assert opened(Image.fromarray(values), "TIFF")[0, :, 0].tolist() == expected


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animated_images_give_their_first_frame(format: str) -> None:
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    pixel = opened(red, format, save_all=True, append_images=[blue])[4, 4]
    assert pixel[0] > 200
    assert pixel[2] < 60


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(format: str, orientation: int) -> None:
    image = Image.new("RGB", (32, 16), "black")
    image.paste((255, 255, 255), (0, 0, 16, 8))  # the stored top left corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    array = opened(image, format, exif=exif)
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    height, width = (16, 32) if orientation < 5 else (32, 16)
    assert array.shape == (height, width, 3)
    for row in (0, 1):
        for column in (0, 1):
            light = array[row * (height - 8) + 4, column * (width - 8) + 4].mean() > 128
            assert light == ((row, column) == corner)


def test_broken_exif_does_no_harm() -> None:
    data = encoded(noise(16, 16), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert open_image(ImageRef(data))[1] == []


# What cannot be read


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff", b"GIF89a", b"RIFF....WHAT", b"\0" * 1000])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    assert open_image(ImageRef(data)) == (None, [Status.IMAGE_UNREADABLE])


def test_paths(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(encoded(noise(8, 8)))  # a PNG named .jpg opens: the content decides
    os.mkfifo(tmp_path / "pipe.jpg")
    assert open_image(ImageRef(photo))[1] == []
    assert open_image(ImageRef(tmp_path / "gone.jpg")) == (None, [Status.IMAGE_NOT_FOUND])
    assert open_image(ImageRef(photo / "x.jpg")) == (None, [Status.IMAGE_NOT_FOUND])
    assert open_image(ImageRef(tmp_path / "nul\0.jpg")) == (None, [Status.IMAGE_NOT_FOUND])
    assert open_image(ImageRef(tmp_path)) == (None, [Status.IMAGE_UNREADABLE])
    assert open_image(ImageRef(tmp_path / "pipe.jpg")) == (None, [Status.IMAGE_UNREADABLE])


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("side", [8_001, 10_000, 20_000])  # over ours, over Pillow's warning, over its error
def test_large_images_are_refused_without_a_warning(format: str, side: int) -> None:
    data = bytearray(encoded(Image.new("1", (16, 16)), format))
    if format == "PNG":
        data[16:24] = side.to_bytes(4) * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    elif format == "GIF":
        data[6:10] = side.to_bytes(2, "little") * 2
    elif format == "BMP":
        data[18:26] = side.to_bytes(4, "little") * 2
    else:
        data = bytearray(encoded(Image.new("1", (side, side)), format, compression="group4"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(ImageRef(bytes(data))) == (None, [Status.IMAGE_TOO_LARGE])


def test_the_limits_are_inclusive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(10, 10)))
    size = path.stat().st_size
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    monkeypatch.setattr(images, "MAX_BYTES", size)
    assert open_image(ImageRef(path))[1] == []
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    assert open_image(ImageRef(path))[1] == [Status.IMAGE_TOO_LARGE]
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    monkeypatch.setattr(images, "MAX_BYTES", size - 1)
    assert open_image(ImageRef(path))[1] == [Status.IMAGE_TOO_LARGE]
    assert open_image(ImageRef(path.read_bytes()))[1] == [Status.IMAGE_TOO_LARGE]


TRUNCATABLE = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("TIFF", {})]


@pytest.mark.parametrize(("format", "options"), TRUNCATABLE)
def test_a_truncated_image_comes_back_as_far_as_it_goes(format: str, options: dict[str, Any]) -> None:
    photo = noise(160, 160)
    data = encoded(photo, format, **options)
    whole = np.asarray(look(ImageRef(data)).image).astype(int)
    share = 0.7
    cut = data[: int(len(data) * share)]
    if format == "TIFF":  # Pillow writes the directory first, so that the pixels' end can be missing
        assert data[4:8] == b"\x08\0\0\0"
    image, statuses = open_image(ImageRef(cut))
    assert statuses == [Status.IMAGE_TRUNCATED]
    half = slice(0, 70) if format != "BMP" else slice(90, 160)  # a BMP starts at the bottom
    assert np.abs(np.asarray(image).astype(int)[half] - whole[half]).mean() < 25
    assert np.abs(np.asarray(image).astype(int) - whole).mean() > 1


def test_a_progressive_jpeg_may_be_cut_anywhere() -> None:
    data = encoded(noise(160, 160), "JPEG", progressive=True)
    for length in range(len(data) // 3, len(data) - 2, 7):  # within scans, tables and headers of scans
        image, statuses = open_image(ImageRef(data[:length]))
        assert statuses == [Status.IMAGE_TRUNCATED]
        assert image is not None


@pytest.mark.parametrize(("format", "options"), TRUNCATABLE)
def test_a_header_alone_is_unreadable_and_never_a_black_square(format: str, options: dict[str, Any]) -> None:
    data = encoded(noise(160, 160), format, **options)
    header = {"JPEG": data.find(b"\xff\xda") + 14, "PNG": 60, "GIF": 13 + 768 + 12, "BMP": 54, "TIFF": 200}[format]
    image, statuses = open_image(ImageRef(data[:header]))
    assert (image, statuses) == (None, [Status.IMAGE_UNREADABLE])


def test_a_truncated_palette_image_keeps_its_colours() -> None:
    palette = noise(160, 160).quantize(64)
    data = encoded(palette)
    image, statuses = open_image(ImageRef(data[: len(data) * 7 // 10]))
    assert statuses == [Status.IMAGE_TRUNCATED]
    assert np.array_equal(np.asarray(image)[:60], np.asarray(palette.convert("RGB"))[:60])


def test_truncation_is_told_in_every_thread_and_leaves_pillow_as_it_is() -> None:
    data = encoded(noise(200, 200), "JPEG", quality=95)
    whole, cut = ImageRef(data), ImageRef(data[: len(data) // 2])
    alone = np.asarray(look(cut).image)
    barrier = threading.Barrier(8)

    def decode(ref: ImageRef) -> tuple[Any, list[Status]]:
        barrier.wait()
        return open_image(ref)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            found = list(pool.map(decode, [cut, whole] * 4))
            assert [statuses for _, statuses in found] == [[Status.IMAGE_TRUNCATED], []] * 4
            assert all(np.array_equal(np.asarray(image), alone) for image, _ in found[::2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@settings(max_examples=300)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
)
def test_damaged_files_never_raise(format: str, length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(noise(24, 24), format))
    for place, value in changes:
        data[place % len(data)] = value
    image, statuses = open_image(ImageRef(bytes(data[: length % len(data)])))
    unread = {Status.IMAGE_UNREADABLE, Status.IMAGE_TOO_LARGE, Status.IMAGE_FORMAT_UNKNOWN}
    assert (image is None) == bool(unread & set(statuses))


# Pixels

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SIZES = [(64, 48), (48, 64), (31, 31), (200, 133), (133, 200), (700, 50), (50, 700), (1, 1), (3, 40)]


def hugging_face(module: str, name: str, **settings: Any) -> Any:
    """Return an image processor of transformers' Pillow backend, which needs no torchvision."""
    transformers = pytest.importorskip(f"transformers.models.{module}.image_processing_pil_{module}")
    return getattr(transformers, name)(**settings)


def assert_equal_to(processor: Any, spec: ImageSpec) -> None:
    for width, height in SIZES:
        image = noise(width, height)
        theirs = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
        ours = pixels(image, spec, exact=True)
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=f"{width} x {height}")


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("size", "edge"), [(32, 32), (33, 36), (48, 59), (224, 256)])
def test_shortest_edge_equals_clip(interpolation: str, size: int, edge: int) -> None:
    spec = ImageSpec(size=size, crop=size / edge, interpolation=interpolation, **IMAGENET)
    processor = hugging_face(
        "clip",
        "CLIPImageProcessorPil",
        size={"shortest_edge": edge},
        crop_size={"height": size, "width": size},
        resample=Image.Resampling[interpolation.upper()],
        image_mean=list(spec.mean),
        image_std=list(spec.std),
    )
    assert_equal_to(processor, spec)


@pytest.mark.parametrize("size", [32, 224])
def test_crop_fraction_equals_convnext(size: int) -> None:
    edge = int(size / 0.875)  # ConvNeXT rounds down
    spec = ImageSpec(size=size, crop=size / edge, interpolation="bicubic", **IMAGENET)
    processor = hugging_face(
        "convnext",
        "ConvNextImageProcessorPil",
        size={"shortest_edge": size},
        crop_pct=0.875,
        image_mean=list(spec.mean),
        image_std=list(spec.std),
    )
    assert_equal_to(processor, spec)


def test_squash_equals_vit() -> None:
    spec = ImageSpec(size=32, resize="squash", interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert_equal_to(hugging_face("vit", "ViTImageProcessorPil", size={"height": 32, "width": 32}), spec)


def test_efficientnet_lite_values() -> None:
    spec = ImageSpec(size=4, mean=(127, 127, 127), std=(128, 128, 128), scale=1)
    values = pixels(Image.new("RGB", (9, 7), (255, 127, 0)), spec)
    assert values[:, 0, 0].tolist() == [1.0, 0.0, -127 / 128]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("width", "height"), [(2000, 40), (40, 2000), (300, 3), (5, 400)])
def test_very_long_images_give_what_resizing_all_of_them_would(interpolation: Any, width: int, height: int) -> None:
    image = noise(width, height)
    spec = ImageSpec(size=32, crop=0.8, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1), scale=1)
    assert np.abs(pixels(image, spec) - pixels(image, spec, exact=True)).max() <= 1  # one grey level


@pytest.mark.parametrize("resize", ["shortest_edge", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("width", "height"), [(320, 427), (427, 320), (500, 333), (100, 90)])
def test_the_part_that_is_seen_is_as_in_the_whole_but_for_rounding(
    width: int, height: int, interpolation: Any, resize: Any
) -> None:
    spec = ImageSpec(crop=0.875, resize=resize, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1), scale=1)
    image = noise(width, height)
    apart = np.abs(pixels(image, spec) - pixels(image, spec, exact=True))  # grey levels
    assert apart.max() <= 2
    # From Pillow 13 on, the width of one may be resized first, and the height of the other.
    assert (apart > 0).mean() < (0.2 if int(PIL.__version__.split(".")[0]) >= 13 and width < height else 0.01)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_what_is_far_larger_than_an_encoder_sees_is_brought_down_in_two_steps(format: str) -> None:
    spec = ImageSpec(size=112, crop=0.875, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1), scale=1)
    data = ImageRef(encoded(noise(2_100, 1_700, seed=3).resize((1_050, 850)), format))
    seen, whole = look(data, enough=spec.enough), look(data)
    assert seen.image is not None
    assert whole.image is not None
    assert spec.enough == 256
    assert (seen.size, seen.image.size) == ((1_050, 850), (525, 425) if format == "JPEG" else (1_050, 850))
    apart = np.abs(pixels(seen.image, spec) - pixels(whole.image, spec, exact=True))
    assert 0 < apart.mean() < 2  # grey levels of 255
    assert apart.max() < 16


@pytest.mark.parametrize(("side", "left"), [(1_000, 1_000), (1_023, 1_023), (1_024, 512), (2_048, 512), (5_000, 625)])
def test_a_jpeg_keeps_as_many_pixels_as_are_enough(side: int, left: int) -> None:
    photo = ImageRef(encoded(Image.new("RGB", (side, side), "red"), "JPEG"))
    found = look(photo, enough=512).image
    assert found is not None
    assert found.size == (left, left)


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_extreme_proportions_work(size: tuple[int, int]) -> None:
    image, statuses = open_image(ImageRef(encoded(noise(*size))))
    assert statuses == []
    assert image is not None
    assert image.size == size
    values = pixels(image, ImageSpec(size=224, crop=0.875))
    assert values.shape == (3, 224, 224)
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"size": 2049},
        {"crop": 0},
        {"crop": 1.01},
        {"std": (1, 0, 1)},
        {"std": (1, math.inf, 1)},
        {"mean": (0, math.nan, 0)},
        {"mean": (0, 0)},
        {"scale": 0},
        {"resize": "stretch"},
        {"interpolation": "area"},
        {"extra": 1},
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageSpec.model_validate(wrong)


def test_the_spec_survives_json() -> None:
    spec = ImageSpec(size=280, resize="squash", interpolation="lanczos", crop=0.9, scale=1, mean=(1, 2, 3))
    assert ImageSpec.model_validate_json(spec.model_dump_json()) == spec
