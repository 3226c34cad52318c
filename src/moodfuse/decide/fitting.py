"""Fitting a head on labelled posts: the strength by cross-validation, and answers to posts that a fit has not seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from moodfuse.config import Modality
from moodfuse.decide.encoded_posts import Array
from moodfuse.decide.head import NO_CHANGE, Ids, Labelled, Lesson, LinearHead, Strength
from moodfuse.progress import Progress, silent

FOLDS = 5
#: What cross-validation chooses from.
STRENGTHS = (NO_CHANGE, *(Strength(answers, vectors) for answers in (1.0, 10.0) for vectors in (None, 3.0, 1.0, 0.3)))
#: Parts of the labels that the learning curve is drawn from.
SHARES = (0.25, 0.5, 1.0)
_MOST_REPEATS, _POSTS_REPEATED = 4, 1_000


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Logits of heads that had not seen the post, (R, N, C): R times cross-validated."""

    whole: Array
    #: the same of posts with this modality alone
    alone: dict[Modality, Array]


def repeats_of(posts: int) -> int:
    """Return how often so many posts are cross-validated: few posts often, since chance parts them."""
    return int(np.clip(_POSTS_REPEATED // posts, 1, _MOST_REPEATS))


def fit_head(labelled: Labelled) -> tuple[LinearHead, Strength]:
    """Return the head of these posts; cross-validation on them chooses how strongly it is held to the old one."""
    folds = _deal(labelled, seed=0)
    losses = np.zeros(len(STRENGTHS))
    for fold in range(folds.max() + 1):
        losses += _losses(labelled, folds != fold, folds == fold)[0]
    strength = STRENGTHS[int(losses.argmin())]
    return Lesson.of(labelled).head(strength), strength


def cross_validate(labelled: Labelled, share: float = 1.0, repeats: int = 1, progress: Progress = silent) -> OutOfFold:
    """Return the answers of heads that were fitted, strength and all, on four fifths of the posts, to the others.

    `share` fits on a part of the posts only. A group of near-duplicates is never parted.
    """
    size = (repeats, len(labelled.true), labelled.labels)
    whole = np.zeros(size)
    alone = {modality: np.zeros(size) for modality in labelled.posts.alone}
    for seed in range(repeats):
        folds = _deal(labelled, seed)
        kept = _sample(labelled.true, share, seed)
        for fold, strength in enumerate(_strengths(labelled, folds, kept)):
            outside = folds == fold
            head = Lesson.of(labelled.take(kept & ~outside)).head(strength)
            others = labelled.posts.take(outside)
            whole[seed, outside] = head.logits(others)
            for modality, logits in alone.items():
                logits[seed, outside] = head.logits(others.only(modality))
        progress(f"cross-validating, {share:.0%} of the labels", seed + 1, repeats)
    return OutOfFold(whole, alone)


def _strengths(labelled: Labelled, folds: Ids, kept: NDArray[np.bool_]) -> list[Strength]:
    """Return the strength for each fold that is held out, chosen by holding out one of the others in its turn.

    What is fitted without two folds serves both: it is tested on each for the other.
    """
    losses = np.zeros((folds.max() + 1, len(STRENGTHS)))
    for a, b in combinations(range(len(losses)), 2):
        inside = kept & (folds != a) & (folds != b)
        on_a, on_b = _losses(labelled, inside, kept & (folds == a), kept & (folds == b))
        losses[b] += on_a
        losses[a] += on_b
    return [STRENGTHS[int(each.argmin())] for each in losses]


def _losses(labelled: Labelled, inside: NDArray[np.bool_], *tested: NDArray[np.bool_]) -> list[Array]:
    """Return the losses on each of the tested parts, by strength, of what is fitted on the inside."""
    lesson = Lesson.of(labelled.take(inside))
    tests = [Lesson.of(labelled.take(rows), lesson.inputs) for rows in tested]
    weights = {strength: lesson.fit(strength) for strength in STRENGTHS}
    return [np.array([test.loss(strength, found) for strength, found in weights.items()]) for test in tests]


def _deal(labelled: Labelled, seed: int) -> Ids:
    """Return the fold of each post, (N,)."""
    count = min(FOLDS, int(np.bincount(labelled.true).max()), len(set(labelled.groups.tolist())))
    folds = np.zeros(len(labelled.true), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels rarer than the folds: some fold does without
        dealer = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        for fold, (_, rows) in enumerate(dealer.split(folds, labelled.true, labelled.groups)):
            folds[rows] = fold
    return folds


def _sample(true: Ids, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which posts are a share of all, (N,): of each label as many as it has of them, three or more."""
    kept = np.zeros(len(true), dtype=bool)
    luck = np.random.default_rng(seed)
    for label in np.unique(true):
        mine = luck.permutation(np.flatnonzero(true == label))
        kept[mine[: max(3, round(share * len(mine)))]] = True
    return kept
