"""How sure a score is, and whether two systems differ.

A bootstrap resample of posts moves nothing but the counts of the confusion matrix, so posts with the same truth
and the same prediction are interchangeable: resamples are drawn over the different rows of counts, each as often as
it occurs. That is exactly the ordinary bootstrap, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import ConfigError, DataError, MissingExtraError
from moodfuse.evaluate.metrics import check_ids
from moodfuse.labels import Labels

try:
    from scipy.stats import binomtest
except ImportError as error:
    raise MissingExtraError(
        "comparing systems needs scipy, which is not installed; pip install 'moodfuse[eval]'"
    ) from error

Metric = Literal["accuracy", "macro_f1", "weighted_f1"]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How far a is ahead of b on the same posts, in the metric's own unit (0..1)."""

    metric: str
    difference: float
    low: float
    high: float
    #: two-sided; the probability of a resample at least as far on the other side of 0, doubled
    p_value: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test: of the posts that one system alone gets right, how many are whose?"""

    only_a: int
    only_b: int
    p_value: float


def bootstrap_intervals(
    true: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: Labels,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap intervals (Efron 1979) of accuracy, macro_f1, weighted_f1 and each f1_LABEL.

    `true`: ids, (N,); `predicted`: ids, (N,), or probabilities, (N, C); `groups`: each post's group of
    near-duplicates, (N,), which is then resampled whole (`None`: every post by itself). Where every post is right,
    or there is but one, no resample differs and the interval has no width. Raises `DataError` as `score` does.
    """
    truth, guess = check_ids(true, predicted, count=len(labels))
    size = len(labels)
    counts = _resample(truth * size + guess, size**2, groups, resamples, seed)  # (R, C x C)
    values = confusion_metrics(counts.reshape(-1, size, size), labels)
    return {name: percentiles(value, level) for name, value in values.items()}


def paired_bootstrap(
    true: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    *,
    labels: Labels,
    metric: Metric = "macro_f1",
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedDifference:
    """Return by how much a's score exceeds b's, with a percentile interval, from resamples of the same posts.

    The p-value never falls below 2 / (resamples + 1). Source: Efron and Tibshirani (1993), chapter 16. Arguments
    and errors as for `bootstrap_intervals`.
    """
    truth, a, b = check_ids(true, predicted_a, predicted_b, count=len(labels))
    if metric not in ("accuracy", "macro_f1", "weighted_f1"):
        raise ConfigError(f"metric: expected accuracy, macro_f1 or weighted_f1, found {metric!r}")
    size = len(labels)
    cells = (truth * size + a) * size + b
    observed = np.bincount(cells, minlength=size**3)[None]  # (1, C^3)
    drawn = _resample(cells, size**3, groups, resamples, seed)  # (R, C^3)
    differences = []
    for counts in (observed, drawn):
        cube = counts.reshape(-1, size, size, size)  # (R, true, a, b)
        differences.append(
            confusion_metrics(cube.sum(3), labels)[metric] - confusion_metrics(cube.sum(2), labels)[metric]
        )
    return paired_difference(metric, float(differences[0][0]), differences[1], level)


def paired_difference(metric: str, observed: float, drawn: NDArray[Any], level: float = 0.95) -> PairedDifference:
    """Return a difference with its percentile interval and two-sided p-value, from its resamples (R,)."""
    others = min((drawn <= 0).sum(), (drawn >= 0).sum())
    low, high = percentiles(drawn, level)
    p_value = min(1.0, 2 * (int(others) + 1) / (len(drawn) + 1))
    return PairedDifference(metric, observed, low, high, p_value)


def mcnemar(true: ArrayLike, predicted_a: ArrayLike, predicted_b: ArrayLike, *, labels: Labels) -> McNemar:
    """Test whether a and b are right equally often (McNemar 1947, exact binomial). Arguments as `paired_bootstrap`.

    It takes the posts for independent: with near-duplicates among them, go by `paired_bootstrap` with groups.
    """
    truth, a, b = check_ids(true, predicted_a, predicted_b, count=len(labels))
    only_a = int(np.sum((a == truth) & (b != truth)))
    only_b = int(np.sum((a != truth) & (b == truth)))
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p_value)


def _resample(
    cells: NDArray[np.int64], size: int, groups: Sequence[Hashable] | None, resamples: int, seed: int
) -> NDArray[np.int64]:
    """Return the counts of each cell, (R, size), in resamples of posts or of whole groups."""
    if resamples < 1:
        raise ConfigError(f"resamples: expected 1 or more, found {resamples}")
    generator = np.random.default_rng(seed)
    if groups is None:
        counts = np.bincount(cells, minlength=size)
        return generator.multinomial(len(cells), counts / len(cells), size=resamples)
    if len(groups) != len(cells):
        raise DataError(f"scores: expected a group for each of {len(cells)} posts, found {len(groups)}")
    number: dict[Hashable, int] = {}
    group = np.array([number.setdefault(name, len(number)) for name in groups])
    table = np.zeros((len(number), size), dtype=np.int64)  # (G, size): each group's posts by cell
    np.add.at(table, (group, cells), 1)
    rows, occurrences = np.unique(table, axis=0, return_counts=True)
    drawn = generator.multinomial(len(number), occurrences / len(number), size=resamples)  # (R, different rows)
    return drawn @ rows  # (R, size)


def confusion_metrics(confusion: NDArray[Any], labels: Labels) -> dict[str, NDArray[np.float64]]:
    """Return every metric, (...,), of confusion matrices, (..., C, C), truth in rows; as `score` defines them.

    Counts may be fractions, as expected ones are.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)  # (..., C)
    support, named = confusion.sum(-1), confusion.sum(-2) + confusion.sum(-1)  # (..., C)
    f1 = 2 * right / np.where(named > 0, named, 1)
    total = np.maximum(support.sum(-1), 1e-12)
    values = {
        "accuracy": right.sum(-1) / total,
        "macro_f1": f1.sum(-1) / np.maximum((named > 0).sum(-1), 1),
        "weighted_f1": (f1 * support).sum(-1) / total,
    }
    return values | {f"f1_{name}": f1[..., i] for i, name in enumerate(labels.names)}


def percentiles(values: NDArray[Any], level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the middle `level` of the values (R,)."""
    if not 0 < level < 1:
        raise ConfigError(f"level: expected a share between 0 and 1, as 0.95, found {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
