"""No image costs more memory or time than was set, whatever its file says, and whoever else decodes."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.hostile_images import encoded, giants, progressive

from moodfuse.data import image_cost
from moodfuse.data.image_cost import image_limits, jpeg_scans, room_to_decode
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef, Status
from moodfuse.errors import ConfigError


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    image_limits.cache_clear()
    yield
    image_limits.cache_clear()


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    assert look(ImageRef(progressive(200, 100))).status == ()
    started = time.perf_counter()
    for side, scans, said in ((200, 101, "101 scans; 100"), (8_000, 12, "12 scans of 64.0 megapixels")):
        found = look(ImageRef(progressive(side, scans)))
        assert (found.image, found.status) == (None, (Status.IMAGE_TOO_COSTLY,))
        assert found.detail.startswith(said)
    assert time.perf_counter() - started < 10  # it was 25 to 49 s; most of these are for writing the files


def test_scans_of_thumbnails_and_of_further_images_are_not_counted() -> None:
    thumbnail = encoded(Image.new("RGB", (40, 40)), "JPEG")
    framed = encoded(Image.new("RGB", (80, 80)), "JPEG", exif=b"Exif\0\0" + thumbnail * 60)
    assert framed.count(b"\xff\xda") == 61
    assert jpeg_scans(framed) == 1
    assert look(ImageRef(framed + thumbnail * 200)).status == ()
    assert jpeg_scans(progressive(64, 30)) == 30


def test_scans_within_a_tiff_are_counted() -> None:
    plain = encoded(Image.new("RGB", (64, 64), "olive"), "TIFF", compression="jpeg")
    hostile = progressive(64, 150)
    moved = bytearray(plain + hostile)
    for tag, value in ((273, len(plain)), (279, len(hostile))):  # where the strip begins, and its length
        at = re.search(struct.pack("<H", tag) + rb"[\x03\x04]\x00\x01\x00\x00\x00", plain).start()  # type: ignore[union-attr]
        moved[at : at + 12] = struct.pack("<HHII", tag, 4, 1, value)
    assert look(ImageRef(plain)).status == ()
    assert look(ImageRef(bytes(moved))).status == (Status.IMAGE_TOO_COSTLY,)


def test_what_a_decoder_cannot_make_smaller_is_refused_by_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    webp = ImageRef(encoded(Image.new("RGB", (3_000, 3_000)), "WEBP", lossless=True, method=0))
    assert look(webp).status == ()
    image_limits.cache_clear()
    monkeypatch.setenv("MOODFUSE_IMAGE_BYTES", "100000000")
    found = look(webp)
    assert (found.status, found.size) == ((Status.IMAGE_TOO_COSTLY,), (3_000, 3_000))
    assert found.detail == "decoding takes 153 MB; 100 MB are the most"


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e9"])
def test_a_limit_that_is_no_number_is_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOODFUSE_JPEG_SCANS", value)
    with pytest.raises(ConfigError, match="MOODFUSE_JPEG_SCANS: expected a whole number"):
        look(ImageRef(progressive(64, 3)))


_MEASURE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import AvifImagePlugin
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef
def most():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1000
look(ImageRef(Path(sys.argv[1])))  # what libraries hold for themselves
files = [Path(name) for name in sys.argv[2:]]
before = most()
with ThreadPoolExecutor(4) as pool:
    found = pool.map(lambda file: (look(ImageRef(file)).status or ("ok",))[0], files * 3)
print(*found, most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_large_images_at_once_stay_within_the_memory_of_one(tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(encoded(Image.new("RGB", (64, 64)), "PNG"))
    for name, data in giants().items():
        (tmp_path / name).write_bytes(data)
    names = ["small.png", *giants(8)]
    done = subprocess.run([sys.executable, "-c", _MEASURE, *names], cwd=tmp_path, capture_output=True, text=True)
    *statuses, most = done.stdout.split()
    assert sorted(statuses) == ["image_too_costly"] * 3 + ["ok"] * 9
    assert int(most) < 450  # MB, what the C library keeps for each thread included; it was 4,100


def test_a_large_image_looks_as_it_did_and_is_smaller() -> None:
    small = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    photo = Image.fromarray(small).resize((4_000, 3_000), Image.Resampling.BICUBIC)
    thumb = np.asarray(photo.resize((80, 60), Image.Resampling.BICUBIC)).astype(int)
    turned = Image.Exif()
    turned[0x0112] = 6
    for format, options in (("PNG", {"compress_level": 1}), ("JPEG", {"quality": 95}), ("BMP", {})):
        seen = look(ImageRef(encoded(photo, format, **options)))
        assert (seen.status, seen.size) == ((), (4_000, 3_000))
        assert seen.image is not None
        assert seen.image.size == (2_000, 1_500)
        again = np.asarray(seen.image.resize((80, 60), Image.Resampling.BICUBIC)).astype(int)
        assert np.abs(again - thumb).mean() < 2
    upright = look(ImageRef(encoded(photo, "JPEG", exif=turned))).image
    assert upright is not None
    assert upright.size == (1_500, 2_000)


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "I", "F", "CMYK", "LA", "RGBA"])
def test_a_large_image_of_any_mode_is_what_its_copy_of_a_smaller_size_is(mode: str) -> None:
    grey = Image.linear_gradient("L")
    base = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200) if mode == "I;16" else grey.convert(mode)
    if mode in ("LA", "RGBA"):
        base.putalpha(Image.radial_gradient("L"))
    large = base.resize((4_096, 2_560), Image.Resampling.NEAREST)
    format = "TIFF" if mode in ("I", "F", "CMYK") else "PNG"
    seen, small = (look(ImageRef(encoded(one, format))).image for one in (large, base))
    assert seen is not None
    assert small is not None
    assert seen.size == (2_048, 1_280)
    shrunk = seen.resize((256, 256), Image.Resampling.BOX)
    assert np.abs(np.asarray(shrunk).astype(int) - np.asarray(small).astype(int)).max() <= 2


def test_what_is_large_waits_for_what_others_decode_and_what_is_small_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOODFUSE_IMAGE_BYTES", "20000000")
    order: list[str] = []

    def take(name: str, wanted: int) -> None:
        with room_to_decode(wanted):
            order.append(name)

    with room_to_decode(15_000_000):
        waiting = threading.Thread(target=take, args=("large", 15_000_000))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        take("small", 1_000)
    waiting.join(5)
    assert order == ["small", "large"]
    take("alone", 10**12)  # what is let through by itself never waits for ever
    assert image_cost._room._taken == 0
