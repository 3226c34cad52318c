"""What is wrong with an image is its status: neither Pillow nor libtiff writes lines to stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tests.data.hostile_images import encoded

_LOOK = """
import sys
from pathlib import Path
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef
for name in sys.argv[1:]:
    found = look(ImageRef(Path(name)))
    print(*(found.status or ["ok"]))
"""


def test_damaged_images_are_quiet(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    colour = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = encoded(colour, "JPEG", exif=exif)
    at = photo.index(b"Exif\0\0") + 14  # the number of EXIF entries: more than there are
    floats = np.full((64, 64), np.nan, np.float32)
    floats.view(np.uint32)[0, 0] = 0x7F800001  # a NaN that signals
    fax = bytearray(encoded(colour.convert("1"), "TIFF", compression="group4"))
    lzw = bytearray(encoded(colour, "TIFF", compression="tiff_lzw"))
    for tiff in (fax, lzw):
        tiff[300:340] = b"\xa5" * 40
    deep = encoded(colour, "TIFF").replace(
        b"\x15\x01\x03\x00\x01\x00\x00\x00\x03", b"\x15\x01\x03\x00\x01\x00\x00\x00\xff"
    )
    made = {
        "exif.jpg": photo[:at] + b"\xff\xff" + photo[at + 2 :],
        "fax.tif": bytes(fax),
        "lzw.tif": bytes(lzw),
        "samples.tif": deep,
        "nan.tif": encoded(Image.fromarray(floats), "TIFF"),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run([sys.executable, "-c", _LOOK, *made], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    found = dict(zip(made, done.stdout.splitlines(), strict=True))
    assert found["fax.tif"] == "image_truncated"  # libtiff itself goes on past codes that are none
