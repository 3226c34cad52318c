"""Augmentation: the size may change, the picture stays one, and the same draw gives the same picture."""

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from moodfuse.config import Augmentation, DataConfig
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.learn.augmentation import augment
from moodfuse.learn.encoders import find_encoder


def picture(width: int = 60, height: int = 40) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    checks = 40 * ((x // 20 + y // 20) % 2)  # edges, so that a blur shows
    return Image.fromarray(np.stack([x * 0.8 + checks, y, 255 - x], -1).clip(0, 255).astype(np.uint8))


def as_it_is(image: Image.Image) -> Image.Image:
    return image


@pytest.mark.parametrize("name", get_args(Augmentation))
def test_each_change_changes_some_images_a_little_and_repeats_with_its_seed(name: Augmentation) -> None:
    before = np.asarray(picture(), np.float32)
    changed = 0
    for seed in range(12):
        after = augment(picture(), [name], np.random.default_rng(seed), as_it_is)
        again = augment(picture(), [name], np.random.default_rng(seed), as_it_is)
        assert after.tobytes() == again.tobytes()
        assert after.mode == "RGB"
        resized = np.asarray(after.resize((60, 40)), np.float32)
        changed += not np.array_equal(resized, before)
        if name not in {"flip", "rotation90"}:
            assert np.abs(resized - before).mean() < 40
    assert changed >= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2)])
def test_tiny_images_survive_all_of_it(size: tuple[int, int]) -> None:
    for seed in range(8):
        image = augment(picture(*size), get_args(Augmentation), np.random.default_rng(seed), as_it_is)
        assert min(image.size) >= 1


@pytest.mark.parametrize(("name", "least"), [("noise", 7.5), ("blur", 2.5)])
def test_noise_and_blur_are_as_strong_in_a_large_image(name: Augmentation, least: float) -> None:
    """In grey levels of the encoder's input, where a large image used to have a tenth of a small one's."""
    stripes = np.kron(np.arange(28) % 2, np.ones(8))[None, :, None] * 100 + 77
    strength = {}
    for scale in (1, 12):
        image = Image.fromarray(np.broadcast_to(stripes, (224, 224, 3)).astype(np.uint8))
        file = io.BytesIO()
        image.resize((224 * scale, 224 * scale), Image.Resampling.NEAREST).save(file, "PNG")
        posts = Posts([Post("0", None, ImageRef(file.getvalue()))])
        live = find_encoder("efficientnet-lite0", "image", DataConfig()).live(posts, [name])
        (before,) = live.batch([0])
        changes = [live.batch([0], lambda _, seed=seed: np.random.default_rng(seed))[0] - before for seed in range(6)]
        strength[scale] = max(float(change.std()) * 128 for change in changes)
    assert strength[1] > least
    assert strength[12] == pytest.approx(strength[1], rel=0.2)
