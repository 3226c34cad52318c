"""Calibration: whether confidence equals accuracy, and below which confidence a person should check an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import ConfigError, DataError, MissingExtraError
from moodfuse.evaluate.metrics import check_ids

try:
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp
except ImportError as error:
    raise MissingExtraError("calibration needs scipy, which is not installed; pip install 'moodfuse[eval]'") from error

#: Smallest and largest temperature: if every post is right, the most likely temperature would be 0.
TEMPERATURES = (0.1, 10.0)
#: The share of posts, the least confident, that a person is to check.
REVIEW_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Review:
    """The review threshold: a person should check posts with a confidence below `threshold`."""

    threshold: float
    #: share of the posts below the threshold: the requested share, except for ties
    share: float
    #: `None` if no post is below
    accuracy_below: float | None
    #: `None` if no post is at or above
    accuracy_above: float | None


def fit_temperature(logits: ArrayLike, true: ArrayLike) -> float:
    """Return the temperature within `TEMPERATURES` with the highest likelihood of softmax(logits / temperature).

    `logits`: (N, C); `true`: ids, (N,). It is 1 if no temperature is better (all logits of each post are equal).
    Source: Guo et al. (2017), On Calibration of Modern Neural Networks. Raises `DataError` for no posts, shapes
    that do not match or logits that are not finite.
    """
    scores = _matrix(logits, "logits")
    (truth,) = check_ids(true, count=scores.shape[1])
    _check_length(scores, truth)

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)  # (N, C)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]))

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)) if found.fun < loss(0.0) - 1e-12 else 1.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Posts whose confidence is in (low, high]: their mean confidence and their accuracy."""

    low: float
    high: float
    posts: int
    confidence: float
    accuracy: float


def reliability(confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> list[Bin]:
    """Return the reliability curve: bins of equal width from 0 to 1, without the empty bins.

    `confidence`: (N,), 0..1; `correct`: (N,) bool. Source: Guo et al. (2017). Raises `ConfigError` for no bins.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    place = _places(sure, bins)
    count = np.bincount(place, minlength=bins)
    total = np.bincount(place, weights=sure, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return [
        Bin(i / bins, (i + 1) / bins, int(count[i]), float(total[i] / count[i]), float(hits[i] / count[i]))
        for i in range(bins)
        if count[i]
    ]


def expected_calibration_error(probabilities: ArrayLike, true: ArrayLike, *, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy over `bins` bins of equal width, weighted by posts.

    `probabilities`: (N, C); `true`: ids, (N,). Source: Naeini et al. (2015), Guo et al. (2017). Raises the errors of
    `fit_temperature`.
    """
    table = _matrix(probabilities, "probabilities")
    (truth,) = check_ids(true, count=table.shape[1])
    _check_length(table, truth)
    confidence, right = table.max(1), table.argmax(1) == truth
    place = _places(confidence, bins)
    gap = np.bincount(place, weights=right - confidence, minlength=bins)  # (bins,) count x (accuracy - confidence)
    return float(np.abs(gap).sum() / len(right))


def review_threshold(confidence: ArrayLike, correct: ArrayLike, *, share: float = REVIEW_SHARE) -> Review:
    """Return the confidence below which the least confident `share` of the posts is.

    `confidence`: (N,), 0..1; `correct`: (N,) bool. Posts of equal confidence stay together, at or above it. Raises
    `DataError` for no posts, unequal lengths or confidences that are not finite.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share: expected a share from 0 to 1, found {share}")
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure) or not np.isfinite(sure).all():
        raise DataError(
            f"review threshold: expected a finite confidence for each of at least one post, found {sure.shape} "
            f"confidences for {right.shape} posts"
        )
    wanted = round(share * len(sure))
    # If all posts are wanted, the next float above the largest confidence puts all of them below.
    threshold = float(np.sort(sure)[wanted] if wanted < len(sure) else np.nextafter(sure.max(), np.inf))
    below = sure < threshold
    return Review(
        threshold,
        float(below.mean()),
        float(right[below].mean()) if below.any() else None,
        float(right[~below].mean()) if not below.all() else None,
    )


def _places(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return each confidence's bin, (N,)."""
    if bins < 1:
        raise ConfigError(f"bins: expected 1 or more, found {bins}")
    # Bins are open below and closed above, as in the paper: a confidence of 1 is in the last bin.
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _matrix(values: ArrayLike, what: str) -> NDArray[np.float64]:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise DataError(
            f"calibration: expected finite {what} (N, C), found the shape {matrix.shape} or numbers that are not finite"
        )
    return matrix


def _check_length(matrix: NDArray[np.float64], truth: NDArray[np.int64]) -> None:
    if len(matrix) != len(truth):
        raise DataError(f"calibration: expected as many rows as posts, found {len(matrix)} rows for {len(truth)} posts")
