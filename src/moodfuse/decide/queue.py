"""Which posts a person should label: those that stand for many others, and a random part that tests.

What teaches most are posts that stand for many others: of a random sample of all posts, weighted k-means on their
vectors makes as many groups as posts are wanted, and each group gives the post nearest to its mean (diverse
mini-batches after Zhdanov 2019). The weight is 1 plus the model's doubt, so that where it is unsure the groups are
smaller, and labels of which it is always sure are not forgotten. Posts chosen because they are doubtful or far from one
another are odd ones, and teach less than as many drawn at random (`benchmarks/picks.py`). The random part is drawn from
a share of all posts that is set aside first, so that it stays a random sample of them however the others are chosen.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moodfuse.errors import MissingExtraError

try:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
except ImportError as error:
    raise MissingExtraError(
        "review needs scikit-learn, which is not installed; pip install 'moodfuse[review]'"
    ) from error

#: How a post came into the queue.
Drawn = Literal["random", "queue"]

#: The posts among which those that teach are chosen: so many for each that is wanted, in these bounds.
_FOR_EACH, _FEWEST, _MOST = 5, 1000, 3000
#: When k-means stops at the latest: what follows hardly changes who is nearest to a mean.
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """How posts are drawn from the rows that can be labelled: `share` of them is set aside to test on."""

    budget: int
    share: float
    seed: int = 0


@dataclass(frozen=True, slots=True)
class QueuedPost:
    """A post to label: its row in the answers, from 0."""

    row: int
    drawn: Drawn


class QueueDraw:
    """A drawing of posts for the queue: first the random part, then the others out of the `candidates`.

    `probabilities`: (N, C); `can_be_labelled`: (N,). Posts `there` are queued already, and `set_aside` is how many rows
    were set aside for the random part when the first of them were drawn.
    """

    def __init__(
        self,
        probabilities: NDArray[np.float32],
        can_be_labelled: NDArray[np.bool_],
        plan: QueuePlan,
        there: Sequence[QueuedPost] = (),
        *,
        set_aside: int | None = None,
    ) -> None:
        rows = np.flatnonzero(can_be_labelled)
        budget = min(plan.budget, len(rows))
        self.set_aside = math.ceil(len(rows) * plan.share) if set_aside is None else set_aside
        # RandomState's stream is frozen: a later version of NumPy sets the same posts aside.
        shuffled = rows[np.random.RandomState(plan.seed).permutation(len(rows))].tolist()
        #: rows that are queued already
        self.there = [post.row for post in there]
        self._taught = [post.row for post in there if post.drawn == "queue"]
        missing = max(0, budget - len(there))
        tests = max(1, round(plan.share * budget)) if plan.share else 0
        queued = frozenset(self.there)
        free = [row for row in shuffled[: self.set_aside] if row not in queued]
        #: new rows of the random part
        self.random: list[int] = free[: min(missing, max(0, tests - (len(there) - len(self._taught))))]
        #: how many others are wanted
        self.wanted = missing - len(self.random)
        ordered = np.sort(probabilities, axis=1)
        self._doubt = 1 - (ordered[:, -1] - ordered[:, -2]).astype(np.float64)
        count = max(self.wanted, min(_MOST, max(_FEWEST, _FOR_EACH * self.wanted))) if self.wanted else 0
        #: rows among which the others are chosen: a random sample of all that are not set aside
        self.candidates: list[int] = [row for row in shuffled[self.set_aside :] if row not in queued][:count]
        self._seed = plan.seed + len(there)

    def choose(
        self, groups: Mapping[int, Hashable], vectors: Callable[[Sequence[int]], NDArray[np.float32]]
    ) -> list[QueuedPost]:
        """Return the new posts in the order in which they are to be labelled, the random ones anywhere among them.

        `groups` tells near-duplicates, by row: of each group one post is chosen, none where one is in the random part
        or queued already. `vectors` gives (n, D) for n rows.
        """
        seen = {groups[row] for row in (*self.random, *self.there)}
        once: list[int] = []
        for row in self.candidates:
            if groups[row] not in seen:
                seen.add(groups[row])
                once.append(row)
        chosen = once
        if len(once) > self.wanted:
            found = vectors([*self._taught, *once])
            known, others = found[: len(self._taught)], found[len(self._taught) :]
            weights = 1 + self._doubt[once]
            chosen = [once[at] for at in representatives(others, weights, self.wanted, known, seed=self._seed)]
        luck = np.random.RandomState(self._seed)
        count = len(self.random) + len(chosen)
        places = set(luck.permutation(count)[: len(self.random)].tolist())
        tests, taught = iter(self.random), iter(chosen[at] for at in luck.permutation(len(chosen)))
        return [
            QueuedPost(next(tests), "random") if place in places else QueuedPost(next(taught), "queue")
            for place in range(count)
        ]


def representatives(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], count: int, known: NDArray[np.float32], *, seed: int = 0
) -> list[int]:
    """Return the places of `count` of N > count vectors (N, D): those nearest to the means of weighted k-means.

    `known` vectors (M, D) are represented already: there are M groups more, and those that hold one give nothing. Of
    the other groups the heaviest are taken. Vectors that say nothing (D = 0) give the first places.
    """
    if not vectors.shape[1]:
        return list(range(count))
    stacked, groups = np.concatenate([known, vectors]), len(known) + count
    mass = np.concatenate([np.full(len(known), weights.mean()), weights])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than groups
        fitted = KMeans(groups, n_init=1, max_iter=_ROUNDS, random_state=seed).fit(stacked, sample_weight=mass)
    group_of = fitted.labels_[len(known) :]
    distance = np.linalg.norm(vectors - fitted.cluster_centers_[group_of], axis=1)
    heavy = np.bincount(group_of, weights=weights, minlength=groups)
    heavy[fitted.labels_[: len(known)]] = -1
    nearest = np.lexsort((distance, -heavy[group_of]))  # group by group, each from its mean outwards
    later = np.ones(len(nearest), dtype=bool)  # wanted only where there are fewer groups than posts
    later[np.unique(group_of[nearest], return_index=True)[1]] = False
    later |= heavy[group_of[nearest]] < 0
    return [int(place) for place in nearest[np.argsort(later, kind="stable")][:count]]
