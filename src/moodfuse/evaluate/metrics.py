"""Scores of predictions: accuracy, F1, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import DataError, MissingExtraError
from moodfuse.labels import Labels

try:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
except ImportError as error:
    raise MissingExtraError(
        "computing scores needs scikit-learn, which is not installed; pip install 'moodfuse[eval]'"
    ) from error


@dataclass(frozen=True, slots=True)
class ClassScores:
    """A label's precision, recall and F1 (0 if undefined), and the number of posts that have it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of predictions for n posts.

    `macro_f1` is the mean over the labels that occur in the truth or in the predictions, as in scikit-learn;
    `confusion` has the truth in its rows and the predictions in its columns.
    """

    n: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    per_class: dict[str, ClassScores]
    confusion: list[list[int]]


def score(true: ArrayLike, predicted: ArrayLike, labels: Labels) -> Scores:
    """Score predictions against the truth.

    `true` holds label ids, (N,); `predicted` label ids, (N,), or probabilities, (N, C), of which the largest
    counts. Raises `DataError` for no posts, unequal lengths, ids out of range or probabilities that are not finite.
    """
    truth, guess = check_ids(true, predicted, count=len(labels))
    matrix = confusion_matrix(truth, guess, labels=range(len(labels)))  # (C, C)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=range(len(labels)), zero_division=0
    )  # each (C,)
    named = (matrix.sum(0) + matrix.sum(1)) > 0
    per_class = {
        name: ClassScores(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, name in enumerate(labels.names)
    }
    return Scores(
        n=len(truth),
        accuracy=float(np.mean(truth == guess)),
        macro_f1=float(np.mean(f1[named])),
        weighted_f1=float(np.average(f1, weights=support)),
        per_class=per_class,
        confusion=matrix.tolist(),
    )


def confusion_metrics(confusion: NDArray[Any], labels: Labels) -> dict[str, NDArray[np.float64]]:
    """Return every metric of `score`, (...,), for confusion matrices, (..., C, C), with the truth in the rows.

    Counts may be fractions, such as expected counts.
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


def check_ids(true: ArrayLike, *predictions: ArrayLike, count: int) -> list[NDArray[np.int64]]:
    """Return the truth and each of the predictions as label ids, (N,); probabilities, (N, C), become their argmax.

    Raises `DataError` if they cannot be compared.
    """
    arrays = [_ids(array, count) for array in (true, *predictions)]
    if len({len(array) for array in arrays}) > 1:
        raise DataError(f"scores: expected as many predictions as posts, found {[len(array) for array in arrays]}")
    if not len(arrays[0]):
        raise DataError("scores: expected at least one post, found none")
    return arrays


def _ids(array: ArrayLike, count: int) -> NDArray[np.int64]:
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[1] == count:
        if not np.isfinite(array).all():
            raise DataError("scores: expected probabilities, found numbers that are not finite")
        return np.asarray(array.argmax(1), dtype=np.int64)
    if array.ndim != 1:
        raise DataError(f"scores: expected ids (N,) or probabilities (N, {count}), found the shape {array.shape}")
    if array.size and not (np.issubdtype(array.dtype, np.integer) and array.min() >= 0 and array.max() < count):
        raise DataError(f"scores: expected label ids from 0 to {count - 1}, found {_strange(array, range(count))!r}")
    return array.astype(np.int64)


def _strange(array: NDArray[Any], known: Sequence[int]) -> Any:
    return next((value for value in array.tolist() if type(value) is not int or value not in known), None)
