"""Which posts a person should label: those that teach most, mixed with a random part that tests.

What teaches most are answers that the model is unsure of, far from one another: the posts are centres, chosen one by
one, each the post whose doubt times distance to the centres before it is largest (greedy k-centres after Sener and
Savarese 2018, weighted). The random part is drawn from a share of all posts that is set aside first, so that it stays
a random sample of them however the others are chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: How a post came into the queue.
Drawn = Literal["random", "queue"]

#: The most doubtful answers among which posts are chosen: so many for each that is wanted, in these bounds.
_FOR_EACH, _FEWEST, _MOST = 5, 500, 3000


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
    """A drawing of posts for the queue: first the random part, then the others out of the most `doubtful` ones.

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
        reserve = rows[np.random.RandomState(plan.seed).permutation(len(rows))][: self.set_aside]
        #: rows that are queued already
        self.there = [post.row for post in there]
        self._centres = [post.row for post in there if post.drawn == "queue"]
        missing = max(0, budget - len(there))
        tests = max(1, round(plan.share * budget)) if plan.share else 0
        queued = frozenset(self.there)
        free = [row for row in reserve.tolist() if row not in queued]
        #: new rows of the random part
        self.random: list[int] = free[: min(missing, max(0, tests - (len(there) - len(self._centres))))]
        #: how many others are wanted
        self.wanted = missing - len(self.random)
        ordered = np.sort(probabilities, axis=1)
        self._doubt = 1 - (ordered[:, -1] - ordered[:, -2]).astype(np.float64)
        others = np.setdiff1d(rows, [*reserve, *self.there])
        count = max(self.wanted, min(_MOST, max(_FEWEST, _FOR_EACH * self.wanted))) if self.wanted else 0
        #: rows among which the others are chosen, the most doubtful first
        self.doubtful: list[int] = others[np.argsort(-self._doubt[others], kind="stable")][:count].tolist()
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
        for row in self.doubtful:
            if groups[row] not in seen:
                seen.add(groups[row])
                once.append(row)
        chosen = once
        if len(once) > self.wanted:
            found = vectors([*self._centres, *once])
            centres, others = found[: len(self._centres)], found[len(self._centres) :]
            chosen = [once[i] for i in spread(others, self._doubt[once], self.wanted, centres)]
        count = len(self.random) + len(chosen)
        places = set(np.random.RandomState(self._seed).permutation(count)[: len(self.random)].tolist())
        tests, taught = iter(self.random), iter(chosen)
        return [
            QueuedPost(next(tests), "random") if place in places else QueuedPost(next(taught), "queue")
            for place in range(count)
        ]


def spread(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], count: int, centres: NDArray[np.float32] | None = None
) -> list[int]:
    """Return the places of `count` of N vectors (N, D): weighted greedy k-centres, in the order of choice.

    `centres` (M, D) are there already; without any the first is the heaviest. Of equals the first is taken.
    """
    nearest = np.full(len(vectors), np.inf)
    for centre in () if centres is None else centres:
        nearest = np.minimum(nearest, np.linalg.norm(vectors - centre, axis=1))
    worth = weights * nearest if np.isfinite(nearest).all() else weights.copy()
    chosen: list[int] = []
    for _ in range(min(count, len(vectors))):
        chosen.append(int(worth.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
        worth = weights * nearest
        worth[chosen] = -1.0
    return chosen
