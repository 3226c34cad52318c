"""Augmentation: the size may change, the picture stays one, and the same draw gives the same picture."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from moodfuse.config import Augmentation
from moodfuse.learn.augmentation import augment


def picture(width: int = 60, height: int = 40) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    checks = 40 * ((x // 20 + y // 20) % 2)  # edges, so that a blur shows
    return Image.fromarray(np.stack([x * 0.8 + checks, y, 255 - x], -1).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", get_args(Augmentation))
def test_each_change_changes_some_images_a_little_and_repeats_with_its_seed(name: Augmentation) -> None:
    before = np.asarray(picture(), np.float32)
    changed = 0
    for seed in range(12):
        after = augment(picture(), [name], np.random.default_rng(seed))
        again = augment(picture(), [name], np.random.default_rng(seed))
        assert after.tobytes() == again.tobytes()
        assert after.mode == "RGB"
        resized = np.asarray(after.resize((60, 40)), np.float32)
        changed += not np.array_equal(resized, before)
        if name != "flip":
            assert np.abs(resized - before).mean() < 40
    assert changed >= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2)])
def test_tiny_images_survive_all_of_it(size: tuple[int, int]) -> None:
    for seed in range(8):
        image = augment(picture(*size), get_args(Augmentation), np.random.default_rng(seed))
        assert min(image.size) >= 1
