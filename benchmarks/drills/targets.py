"""What reads hostile inputs, as every way in does: called in a process of its own (`watch`)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from moodfuse.data.formats.base import PREDICTING, TRAINING
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.images import ImageSpec, look, look_at, pixels
from moodfuse.data.posts import ImageRef
from moodfuse.errors import MoodfuseError
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.archives import unpack
from moodfuse.serve.limits import Limits
from moodfuse.serve.problems import Problem
from moodfuse.serve.uploads import open_batch

#: What may be raised: one line to whoever sent the input.
TOLD = (MoodfuseError, Problem)
_SPEC = ImageSpec(size=32)


def decode(path: Path) -> None:
    """Decode an image from its bytes."""
    look_at(path.read_bytes())


def decode_four(path: Path) -> None:
    """Decode an image in four threads at once."""
    data = path.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look_at, [data] * 4))


def tell_status(path: Path) -> None:
    """Print what is wrong with an image."""
    print(*look(ImageRef(path)).status)


def open_image(path: Path) -> None:
    """Open a file as an image, and make of it what an encoder gets."""
    if (image := look(ImageRef(path)).image) is not None:
        pixels(image, _SPEC)


def read_posts(path: Path) -> None:
    """Read a table as training does, and as prediction does, which lives with more."""
    told: Exception | None = None
    for reading in (PREDICTING, replace(PREDICTING, fields=True), TRAINING):
        told = None
        try:
            for _ in stream_posts(path, reading):
                pass
        except TOLD as error:
            told = error
    if told is not None:
        raise told


def read_zip(path: Path) -> None:
    """Unpack a zip as the service does, and read what was in it."""
    copy = path.parent / "unpacking" / path.name
    copy.parent.mkdir()
    try:
        shutil.copy(path, copy)
        unpacked = unpack(copy, Limits())
        for _ in stream_posts(unpacked, replace(PREDICTING, trusted=False)):
            pass
    finally:
        shutil.rmtree(copy.parent)


def check_batch(path: Path) -> None:
    """Check an uploaded zip as the service does before it answers."""
    copy = path.parent / "unpacking" / path.name
    copy.parent.mkdir()
    try:
        shutil.copy(path, copy)
        open_batch(copy, Limits(), replace(PREDICTING, trusted=False, fields=True))
    finally:
        shutil.rmtree(copy.parent)


def open_bundle(path: Path) -> None:
    """Read a bundle, and answer one post by it: what `probe` does in a process with limits."""
    predictor = Predictor(read_bundle(path, tried=True), threads=1)
    predictor.predict("What a day! 真不错 " + "a" * 300)


TARGETS: dict[str, Callable[[Path], None]] = {
    "decode": decode,
    "decode_four": decode_four,
    "status": tell_status,
    "open_image": open_image,
    "read_posts": read_posts,
    "unpack": read_zip,
    "open_batch": check_batch,
    "read_bundle": open_bundle,
}
