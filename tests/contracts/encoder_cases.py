"""Every encoder that the contract holds for: registered ones, tiny checkpoints of a hub, one of another package."""

from __future__ import annotations

import importlib
import io
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from moodfuse.config import DataConfig, Modality
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.learn.encoders import Encoded, Encoder, EncoderSource, TokenSource, encoder, encoders, find_encoder
from moodfuse.plugins import load_plugins
from tiny_checkpoints import EXPORTED, checkpoint, hub_cache

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugins" / "my_encoder.py"
PLUGIN = "colour-histogram"
CASES: list[tuple[str, Modality]] = [
    *((name, cls.modality) for name, cls in sorted(encoders().items())),
    *EXPORTED,
    (PLUGIN, "image"),
]
_LARGE = "multilingual-e5-small"  # 250,000 tokens, unpacked from four bits: tens of seconds a test


def _cases(cases: Iterable[tuple[str, ...]]) -> list[Any]:
    """Return cases, those of the large encoder marked slow."""
    return [pytest.param(*case, marks=[pytest.mark.slow] if case[0] == _LARGE else []) for case in cases]


every = pytest.mark.parametrize(("name", "modality"), _cases(CASES))
TEXTS = [name for name, modality in CASES if modality == "text"]
every_text = pytest.mark.parametrize("name", _cases((name,) for name in TEXTS))
_TOKENS = [name for name in TEXTS if issubclass(encoders().get(name, TokenSource), TokenSource)]
every_tokens = pytest.mark.parametrize("name", _cases((name,) for name in _TOKENS))
every_image = pytest.mark.parametrize("name", [name for name, modality in CASES if modality == "image"])

LONG = "a lovely view, and a word more about it at length; " * 30


def install(folder: Path, module: str, *, source: Path | None = None) -> Path:
    """Lay a package in `folder` as pip would, whose entry point names `ColourHistogram` of `module`."""
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[moodfuse.encoders]\nits-name = {module}:ColourHistogram\n")
    if source is not None:
        shutil.copy(source, folder / f"{module}.py")
    return folder


@contextmanager
def plugin_installed() -> Iterator[None]:
    """Have the example installed as a package of its own, and taken off again."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(install(Path(folder) / "packages", EXAMPLE.stem, source=EXAMPLE))
        importlib.invalidate_caches()
        load_plugins("moodfuse.encoders", encoder)
        yield
        encoders().pop(PLUGIN, None)
        sys.modules.pop(EXAMPLE.stem, None)


@cache
def source(name: str, modality: Modality) -> EncoderSource:
    if name.startswith("tiny/"):
        checkpoint(name)
    if name == PLUGIN:
        with plugin_installed():
            return find_encoder(name, modality, DataConfig())
    with hub_cache():
        return find_encoder(name, modality, DataConfig())


@cache
def loaded(name: str, modality: Modality) -> Encoder:
    return source(name, modality).load()


@torch.no_grad()
def encode(name: str, modality: Modality, inputs: tuple[torch.Tensor, ...]) -> Encoded:
    return loaded(name, modality)(*inputs)


def picture(seed: int, width: int = 90, height: int = 60) -> bytes:
    """A picture with large patches of colour, as PNG."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def good_posts() -> Posts:
    """Posts that all have a text and an image; texts of every length, no two alike."""
    texts = ["So HAPPY with this view!", "x", LONG, "what a terrible day \u4f60\u597d \U0001f622", "NOT good :("]
    sides = [(90, 60), (60, 90), (8, 8), (200, 31), (64, 64)]
    images = [ImageRef(picture(i, *side)) for i, side in enumerate(sides)]
    return Posts(Post(f"post-{i}", text, image) for i, (text, image) in enumerate(zip(texts, images, strict=True)))


def prepared(reader: object, posts: Posts, modality: Modality) -> list[object]:
    """The posts as a bundle's reader takes them."""
    if modality == "text":
        return [inputs for inputs, _ in reader.tokenize([post.text for post in posts])]  # type: ignore[attr-defined]
    return [
        reader.prepare(Image.open(io.BytesIO(post.image.source)).convert("RGB"))  # type: ignore[attr-defined]
        for post in posts
    ]


def assert_close(got: object, expected: object, *, tolerance: float = 1e-5) -> None:
    """Compare by the size of the values: encoders differ in scale by a factor of a thousand."""
    got, expected = (np.asarray(one, np.float32) for one in (got, expected))
    assert got.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(got, expected, atol=tolerance * scale, rtol=0)
