"""Confidence intervals of scores, and tests of whether two systems differ."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import ConfigError, MissingExtraError
from moodfuse.evaluate.metrics import check_ids
from moodfuse.evaluate.resampling import Resampler, System
from moodfuse.labels import Labels

try:
    from scipy.stats import binomtest
except ImportError as error:
    raise MissingExtraError(
        "comparing systems needs scipy, which is not installed; pip install 'moodfuse[eval]'"
    ) from error


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The settings of a bootstrap: the middle `level` of the `resamples`, drawn with a seed."""

    level: float = 0.95
    resamples: int = 2000
    seed: int = 0


USUAL = Bootstrap()


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference a - b on the same posts, in the unit of the metric (0..1)."""

    metric: str
    difference: float
    low: float
    high: float
    #: two-sided: twice the smaller of two shares of the resamples, at or below 0 and at or above 0
    p_value: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test: the numbers of posts that only a, or only b, gets right."""

    only_a: int
    only_b: int
    p_value: float


def bootstrap_intervals(
    true: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: Labels,
    groups: Sequence[Hashable] | None = None,
    bootstrap: Bootstrap = USUAL,
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap intervals (Efron 1979) of accuracy, macro_f1, weighted_f1 and each f1_LABEL.

    `true`: ids, (N,); `predicted`: ids, (N,), or probabilities, (N, C); `groups`: each post's group of
    near-duplicates, (N,), which is resampled as a whole (`None`: every post by itself). If every post is right, or
    there is only one post, all resamples are equal and the interval has no width. Raises the errors of `score`, and
    `DataError` if there are not as many groups as posts.
    """
    truth, guess = check_ids(true, predicted, count=len(labels))
    resampler = Resampler(truth, {"a": System(guess[None], "a")}, labels=labels, groups=groups)
    drawn = resampler.draws(bootstrap.resamples, seed=bootstrap.seed)  # each (R, 1)
    return {name: percentiles(values[:, 0], bootstrap.level) for name, values in drawn.items()}


def paired_bootstrap(
    true: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    *,
    labels: Labels,
    groups: Sequence[Hashable] | None = None,
    bootstrap: Bootstrap = USUAL,
) -> dict[str, PairedDifference]:
    """Return a - b in each metric, with percentile intervals, from resamples of the same posts.

    The p-values are at least 2 / (resamples + 1). Source: Efron and Tibshirani (1993), chapter 16. The metrics,
    the other arguments and the errors are those of `bootstrap_intervals`.
    """
    truth, *guesses = check_ids(true, predicted_a, predicted_b, count=len(labels))
    systems = {name: System(guess[None], name) for name, guess in zip("ab", guesses, strict=True)}
    resampler = Resampler(truth, systems, labels=labels, groups=groups)
    observed, drawn = resampler.observed(), resampler.draws(bootstrap.resamples, seed=bootstrap.seed)
    return {
        name: paired_difference(name, float(a - b), drawn[name][:, 0] - drawn[name][:, 1], bootstrap.level)
        for name, (a, b) in observed.items()
    }


def paired_difference(metric: str, observed: float, drawn: NDArray[Any], level: float = 0.95) -> PairedDifference:
    """Return a difference with the percentile interval and two-sided p-value of its resamples (R,)."""
    others = min((drawn <= 0).sum(), (drawn >= 0).sum())
    low, high = percentiles(drawn, level)
    p_value = min(1.0, 2 * (int(others) + 1) / (len(drawn) + 1))
    return PairedDifference(metric, observed, low, high, p_value)


def percentiles(values: NDArray[Any], level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the middle `level` of the values (R,)."""
    if not 0 < level < 1:
        raise ConfigError(f"level: expected a share between 0 and 1, such as 0.95, found {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share of independent posts (Wilson 1927); of no posts, all from 0 to 1."""
    if not count:
        return 0.0, 1.0
    found = binomtest(right, count).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def mcnemar(true: ArrayLike, predicted_a: ArrayLike, predicted_b: ArrayLike, *, labels: Labels) -> McNemar:
    """Test whether a and b are right equally often (McNemar 1947, exact binomial). Arguments as `paired_bootstrap`.

    The test assumes independent posts: with near-duplicates among them, use `paired_bootstrap` with groups.
    """
    truth, a, b = check_ids(true, predicted_a, predicted_b, count=len(labels))
    only_a = int(np.sum((a == truth) & (b != truth)))
    only_b = int(np.sum((a != truth) & (b == truth)))
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p_value)
