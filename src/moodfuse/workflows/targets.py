"""Targets: what scikit-learn calls y, as the labels of posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from moodfuse.data.posts import Posts
from moodfuse.errors import DataError, suggest
from moodfuse.labels import Labels
from moodfuse.workflows.samples import Samples, stream_samples
from moodfuse.workflows.scikit_learn import check_classification_targets, column_or_1d


class TargetError(DataError, ValueError):
    """What is wrong with y; scikit-learn has it as a `ValueError`."""


def as_targets(y: Any) -> np.ndarray:
    """Return targets (N,), each the class of a sample. Raises `ValueError`, for a missing one `TargetError`.

    Classes may be names, whole numbers or booleans, as for any classifier of scikit-learn.
    """
    targets: np.ndarray = column_or_1d(y, warn=True)
    if empty := [place for place, value in enumerate(targets.tolist()) if value is None or value != value]:
        raise TargetError(f"y: expected a label for every post, found none for the post at {empty[0]}; leave it out")
    check_classification_targets(targets)
    return targets


def check_names(classes: Sequence[Any], known: Labels, *, fixed: bool) -> Labels:
    """Return the labels that classes stand for, in their order.

    Classes may be any, as long as none is one of the `known` labels, or all are: a misspelt label never becomes a
    class. Where the known are `fixed` by the user, all must be. Raises `TargetError` otherwise.
    """
    names = tuple(map(str, classes))
    if len(names) < 2:
        raise TargetError(f"y: expected two classes or more, found one class: {names[0] if names else 'none'}")
    strange = [name for name in names if name not in known.names]
    if strange and (fixed or len(strange) < len(names)):
        raise TargetError(
            f"y: {suggest(strange[0], known.names, what='label')}; or declare it: config={{'labels': [...]}}"
        )
    return Labels(names)


def with_targets(X: Samples, targets: np.ndarray) -> Posts:
    """Return the samples as posts with these targets' labels. Raises `TargetError` where their numbers differ."""
    posts = list(stream_samples(X, part="train"))
    if len(posts) != len(targets):
        raise TargetError(
            f"y: expected a label for every post, found {len(posts)} posts in X and {len(targets)} labels in y"
        )
    names = map(str, targets.tolist())
    return Posts((replace(post, label=name) for post, name in zip(posts, names, strict=True)), source="X")
