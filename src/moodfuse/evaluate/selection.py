"""The winner's curse: how much the best of many scores overestimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moodfuse.evaluate.intervals import percentiles
from moodfuse.evaluate.resampling import Resampler


@dataclass(frozen=True, slots=True)
class BestOf:
    """The best of several systems, its observed score, and the score to expect on new posts."""

    name: str
    value: float
    corrected: float
    low: float
    high: float
    #: the share of resamples in which each system is the best
    chosen: dict[str, float]


def best_of(
    resampler: Resampler,
    systems: Sequence[str],
    *,
    metric: str = "macro_f1",
    resamples: int = 1000,
    seed: int = 0,
) -> BestOf:
    """Return the best of `systems` by `metric`, with the bootstrap bias-corrected estimate BBC-CV.

    Each resample of the out-of-fold predictions chooses its best system on the drawn posts, and scores it on the
    others. The mean of these scores estimates the score on new posts of a system chosen this way, and the middle 95 %
    is its interval (which is wide: a resample leaves out about 37 % of the posts). Source: Tsamardinos, Greasidou and
    Borboudakis (2018), Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation. Groups
    of near-duplicates are drawn as a whole.
    """
    places = [resampler.names.index(name) for name in systems]
    observed = resampler.observed()[metric][places]  # (A,)
    inside, outside = resampler.in_and_out(metric, resamples, seed=seed)  # (R, A)
    winners = inside[:, places].argmax(1)
    scores = outside[:, places][np.arange(len(winners)), winners]
    low, high = percentiles(scores)
    counts = np.bincount(winners, minlength=len(systems)) / len(winners)
    best = int(observed.argmax())
    return BestOf(
        systems[best],
        float(observed[best]),
        float(scores.mean()),
        low,
        high,
        {name: float(share) for name, share in zip(systems, counts, strict=True)},
    )
