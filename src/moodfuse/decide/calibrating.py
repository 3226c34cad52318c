"""What a bundle says of how sure its answers are, from answers to posts that its head had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moodfuse.config import Modality
from moodfuse.decide.encoded_posts import Array, Vectors
from moodfuse.decide.fitting import OutOfFold
from moodfuse.decide.head import Ids, Labelled
from moodfuse.evaluate.calibration import fit_temperature, review_threshold
from moodfuse.evaluate.logits import softmax
from moodfuse.runtime.confusion import Confusion, count_answers, used_name

#: Fewest posts that a temperature is fitted on; of fewer it is 1.
LEAST = 20


@dataclass(frozen=True, slots=True)
class Temperatures:
    """What logits are divided by: those of posts with all that the model reads, and with one modality of two."""

    whole: float
    alone: dict[Modality, float]

    def probabilities(self, logits: Array, posts: Vectors) -> Array:
        """Return probabilities (..., N, C) from the logits of N posts."""
        divisors = np.full(len(posts), self.whole)
        for modality, temperature in self.alone.items():
            divisors[posts.present[modality] & ~_complete(posts)] = temperature
        return softmax(logits / divisors[:, None])


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fields of a manifest that are fitted on held-out answers."""

    temperatures: Temperatures
    confusion: dict[str, Confusion]
    review_threshold: float


def calibrate(labelled: Labelled, answers: OutOfFold) -> tuple[Calibration, Array]:
    """Return the calibration by what is read of a post, and the calibrated probabilities (R, N, C).

    Posts that have both modalities are answered with each withheld, too: as those that will have one alone.
    """
    posts, true = labelled.posts, labelled.true
    temperatures = Temperatures(
        _temperature(answers.whole, true, _complete(posts)),
        {modality: _temperature(logits, true, posts.present[modality]) for modality, logits in answers.alone.items()},
    )
    probabilities = temperatures.probabilities(answers.whole, posts)
    answered = {used_name(posts.present): (probabilities, _complete(posts))}
    for modality, logits in answers.alone.items():
        answered[modality] = (softmax(logits / temperatures.alone[modality]), posts.present[modality])
    confusion: dict[str, Confusion] = {}
    for used, (table, rows) in answered.items():
        truth = np.tile(true[rows], len(table))
        confusion |= count_answers(truth, {used: np.concatenate(table[:, rows])}, repeats=len(table))
    right = probabilities.argmax(2) == true
    threshold = review_threshold(probabilities.max(2).ravel(), right.ravel()).threshold
    return Calibration(temperatures, confusion, threshold), probabilities


def _complete(posts: Vectors) -> NDArray[np.bool_]:
    """Return which posts have all that the model reads, (N,)."""
    return np.asarray(np.logical_and.reduce(list(posts.present.values())))


def _temperature(logits: Array, true: Ids, rows: NDArray[np.bool_]) -> float:
    """Return the temperature of logits (R, N, C) for some of the posts."""
    if rows.sum() < LEAST:
        return 1.0
    return fit_temperature(np.concatenate(logits[:, rows]), np.tile(true[rows], len(logits)))
