"""Shares of the labels in groups of answered posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moodfuse.decide.answers import AnswerTable
from moodfuse.decide.prevalence import (
    Array,
    Shares,
    answer_rates,
    corrected_shares,
    mixture_shares,
    uncorrected_shares,
)
from moodfuse.runtime.confusion import Confusion

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Members:
    """Which posts are in which of `count` groups: a pair of a row and a group for each membership."""

    rows: Ints
    groups: Ints
    count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of G groups: their posts (G,), those that were read (G,), and those by answered label (G, C).

    `answers` are counts by answer and by what was read, (G, K); without held-out answers `sums` of probabilities,
    (G, C), and of their `products`, (G, C, C), stand in their place.
    """

    posts: Ints
    read: Ints
    answered: Ints
    answers: Ints
    sums: Array
    products: Array

    def rest(self, everyone: Tally) -> Tally:
        """Return for each group all other posts of `everyone`, a single group."""
        return Tally(*(getattr(everyone, name) - getattr(self, name) for name in self.__slots__))

    def beside(self, other: Tally) -> Tally:
        """Return the groups of both, those of `other` behind."""
        return Tally(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__))

    def pooled(self, parts: Sequence[slice]) -> Tally:
        """Return a group for each of `parts`, with all posts of the groups there."""
        return Tally(*(np.stack([getattr(self, name)[part].sum(0) for part in parts]) for name in self.__slots__))


class Estimator:
    """Estimates the shares of the labels in any groups of the same answers.

    `confusion` are the model's held-out answers by what was read of the posts; without them shares are means of
    probabilities. AnswerTable that are about nothing read are counted, and left out of shares.
    """

    def __init__(self, answers: AnswerTable, confusion: Mapping[str, Confusion]) -> None:
        self.answers = answers
        self.predicted: Ints = answers.probabilities.argmax(1)
        self.confidence = answers.probabilities.max(1)
        self._confusion: dict[str, Confusion] = {}
        self._cells: Ints = self.predicted
        self._offsets: list[int] = []
        #: posts whose kind has no held-out answers of its own, by what was read of them
        self.borrowed: dict[str, int] = {}
        if confusion:
            self._lay_out(dict(confusion))

    def _lay_out(self, known: dict[str, Confusion]) -> None:
        """Give each answer a place: the answers of posts of which the same was read stand together."""
        fullest = max(known, key=lambda used: (used.count("|"), known[used].posts))
        kinds: dict[str, list[int]] = {}
        for place, used in enumerate(self.answers.used_names):
            kinds.setdefault(used if used in known else fullest, []).append(place)
            here = int(((self.answers.used == place) & self.answers.read).sum())
            if used not in known and here:
                self.borrowed[used or "unknown"] = here
        self._cells = np.zeros(len(self.answers), dtype=np.int64)
        offset = 0
        for kind, places in kinds.items():
            rows = np.isin(self.answers.used, places)
            self._cells[rows] = offset + known[kind].answers(self.predicted[rows], self.confidence[rows])
            self._confusion[kind] = known[kind]
            self._offsets.append(offset)
            offset += len(known[kind].counts[0])

    @property
    def corrected(self) -> bool:
        """Whether the shares rest on how held-out posts were answered."""
        return bool(self._confusion)

    @property
    def held_out(self) -> Mapping[str, Confusion]:
        """How held-out posts were answered, by what was read of them: those that these answers need."""
        return self._confusion

    def tally(self, members: Members) -> Tally:
        """Count the posts of each group and their answers."""
        size, count = len(self.answers.labels), members.count
        there = self.answers.read[members.rows]
        rows, groups = members.rows[there], members.groups[there]
        width = sum(len(one.counts[0]) for one in self._confusion.values())
        answered = np.bincount(groups * size + self.predicted[rows], minlength=count * size)
        cells = np.bincount(groups * width + self._cells[rows], minlength=count * width) if width else np.empty(0, int)
        sums, products = np.zeros((count, size)), np.zeros((count, size, size))
        for i in range(0 if width else size):
            one = self.answers.probabilities[rows, i].astype(np.float64)
            sums[:, i] = np.bincount(groups, one, minlength=count)
            for j in range(i, size):
                found = np.bincount(groups, one * self.answers.probabilities[rows, j], minlength=count)
                products[:, i, j] = products[:, j, i] = found
        posts, read = (np.bincount(ids, minlength=count) for ids in (members.groups, groups))
        return Tally(posts, read, answered.reshape(count, size), cells.reshape(count, width), sums, products)

    def shares(self, tally: Tally) -> Shares:
        """Return the shares of the labels in each group."""
        if not self.corrected:
            return uncorrected_shares(tally.sums, tally.products, tally.read)
        return corrected_shares(self._by_kind(tally.answers), self._confusion)

    def misfit(self, tally: Tally) -> float:
        """Return how far the answers of the first group are from those of any mix of held-out posts (0..1).

        It is half the sum of the differences between the parts that each answer has, and would have by the estimated
        shares (total variation); 0 without held-out answers.
        """
        distance, read = 0.0, max(1, int(tally.read[0]))
        for kind, counts in self._by_kind(tally.answers).items() if self.corrected else ():
            rates = answer_rates(np.array(self._confusion[kind].counts))
            expected = np.nan_to_num(mixture_shares(counts[:1], rates)[0] @ rates)
            distance += float(np.abs(counts[0] - counts[0].sum() * expected).sum() / 2 / read)
        return distance

    def _by_kind(self, answers: Ints) -> dict[str, Ints]:
        return dict(zip(self._confusion, np.split(answers, self._offsets[1:], axis=1), strict=True))
