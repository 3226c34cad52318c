"""Robustness: scores when text or image is missing, when an image is degraded, when a text has typos."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageFilter

from moodfuse.errors import ConfigError
from moodfuse.evaluate.metrics import check_ids, confusion_metrics
from moodfuse.labels import Labels

Damage = Literal["typos", "blur", "noise", "shrink"]
#: Each damage: its modality, the unit of a level, and the levels.
DAMAGES: dict[Damage, tuple[str, str, tuple[float, ...]]] = {
    "typos": ("text", "share of letters", (0.0, 0.05, 0.1, 0.2)),
    "blur": ("image", "radius as a share of the shorter side", (0.0, 0.01, 0.02, 0.05)),
    "noise": ("image", "standard deviation as a share of white", (0.0, 0.05, 0.1, 0.2)),
    "shrink": ("image", "share of the width and height taken off", (0.0, 0.5, 0.75, 0.9)),
}
#: Shares of the posts that lose a modality.
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class RemovalPoint:
    """The expected scores when a share of all posts has lost a modality."""

    share: float
    accuracy: float
    macro_f1: float


def removal_curve(
    true: ArrayLike,
    whole: Sequence[ArrayLike],
    withheld: Sequence[ArrayLike],
    *,
    labels: Labels,
    shares: Sequence[float] = SHARES,
) -> list[RemovalPoint]:
    """Return the expected scores when a random share of the posts loses a modality, as means over seeds.

    `whole` and `withheld` hold, for each seed, the predictions for all posts with and without the modality: ids (N,)
    or probabilities (N, C). The answer for a post depends only on that post. So the expected confusion matrix of a
    random draw is a mixture of the two confusion matrices: nothing has to be drawn or predicted again.
    """
    size = len(labels)
    counts: list[list[NDArray[np.float64]]] = []
    for pair in zip(whole, withheld, strict=True):
        truth, *guesses = check_ids(true, *pair, count=size)
        flat = [np.bincount(truth * size + guess, minlength=size * size) for guess in guesses]
        counts.append([table.reshape(size, size).astype(float) for table in flat])
    mean: list[RemovalPoint] = []
    for share in shares:
        mixed = np.stack([(1 - share) * full + share * without for full, without in counts])  # (S, C, C)
        metrics = confusion_metrics(mixed, labels)
        mean.append(RemovalPoint(share, float(metrics["accuracy"].mean()), float(metrics["macro_f1"].mean())))
    return mean


def add_typos(text: str, share: float, generator: np.random.Generator) -> str:
    """Damage a share of the letters: each is swapped with the next, dropped, doubled or replaced, equally often."""
    _check_share(share)
    letters = list(text)
    places = [i for i, letter in enumerate(letters) if letter.isalpha()]
    hit = generator.permutation(len(places))[: round(share * len(places))]
    for i in sorted((places[int(index)] for index in hit), reverse=True):
        kind = int(generator.integers(4))
        if kind == 0 and i + 1 < len(letters):
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
        elif kind == 1:
            del letters[i]
        elif kind == 2:
            letters.insert(i, letters[i])
        else:
            letters[i] = _LETTERS[int(generator.integers(len(_LETTERS)))]
    return "".join(letters)


def degrade(image: Image.Image, damage: Damage, level: float, generator: np.random.Generator) -> bytes:
    """Return a damaged RGB image as PNG bytes; a level of 0 leaves the pixels unchanged."""
    _check_share(level)
    if damage not in DAMAGES or DAMAGES[damage][0] != "image":
        raise ConfigError(f"damage: expected blur, noise or shrink for images, found {damage!r}")
    image = image.convert("RGB")
    if damage == "blur" and level:
        image = image.filter(ImageFilter.GaussianBlur(level * min(image.size)))
    elif damage == "noise" and level:
        noisy = np.asarray(image, np.float32) + generator.normal(0, 255 * level, (image.height, image.width, 3))
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    elif damage == "shrink" and level:
        small = (max(1, round(image.width * (1 - level))), max(1, round(image.height * (1 - level))))
        image = image.resize(small, Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(f"share: expected a number from 0 to 1, found {share}")
