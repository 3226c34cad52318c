"""Missing modalities, typos and poor images."""

import io

import numpy as np
import pytest
from PIL import Image

from moodfuse.errors import ConfigError
from moodfuse.evaluate.metrics import score
from moodfuse.evaluate.robustness import DAMAGES, add_typos, degrade, removal_curve
from moodfuse.labels import SENTIMENT


def test_the_removal_curve_is_what_random_removals_give_on_average() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 400)
    whole = np.where(generator.random(400) < 0.8, truth, 0)
    without = np.where(generator.random(400) < 0.3, truth, 2)
    curve = removal_curve(truth, [whole], [without], labels=SENTIMENT, shares=[0, 0.4, 1])
    assert curve[0].macro_f1 == pytest.approx(score(truth, whole, SENTIMENT).macro_f1)
    assert curve[2].macro_f1 == pytest.approx(score(truth, without, SENTIMENT).macro_f1)
    drawn = []
    for _ in range(300):
        lost = np.isin(np.arange(400), generator.choice(400, 160, replace=False))
        drawn.append(score(truth, np.where(lost, without, whole), SENTIMENT))
    assert curve[1].accuracy == pytest.approx(np.mean([one.accuracy for one in drawn]), abs=0.005)
    assert curve[1].macro_f1 == pytest.approx(np.mean([one.macro_f1 for one in drawn]), abs=0.005)


def test_typos_hit_the_share_of_letters_asked_for() -> None:
    text = "the quick brown fox, 42 times over the lazy dog " * 20
    assert add_typos(text, 0, np.random.default_rng(0)) == text
    damaged = add_typos(text, 0.1, np.random.default_rng(0))
    assert damaged == add_typos(text, 0.1, np.random.default_rng(0))
    right = sum(word in text.split() for word in damaged.split()) / len(damaged.split())
    assert 0.5 < right < 0.85  # words of about four letters, a tenth of them hit
    assert damaged.count("42") == 20
    assert add_typos("42!", 1, np.random.default_rng(0)) == "42!"
    with pytest.raises(ConfigError, match="from 0 to 1"):
        add_typos("a", 2, np.random.default_rng(0))


@pytest.mark.parametrize("damage", [name for name, (modality, _, _) in DAMAGES.items() if modality == "image"])
def test_an_image_gets_worse_with_the_level(damage: str) -> None:
    generator = np.random.default_rng(0)
    image = Image.fromarray(generator.integers(0, 256, (60, 80, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1))
    errors = []
    for level in DAMAGES[damage][2]:
        opened = Image.open(io.BytesIO(degrade(image, damage, level, np.random.default_rng(1))))
        assert opened.size == image.size
        errors.append(np.abs(np.asarray(opened, float) - np.asarray(image, float)).mean())
    assert errors[0] == 0
    assert errors == sorted(errors)
    assert errors[-1] > 5


def test_only_images_are_degraded() -> None:
    with pytest.raises(ConfigError, match="blur, noise or shrink"):
        degrade(Image.new("RGB", (8, 8)), "typos", 0.1, np.random.default_rng(0))
