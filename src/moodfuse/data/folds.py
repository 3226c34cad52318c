"""Dealing posts into folds: stratified by label, near-duplicates never parted, every label in every part."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moodfuse.errors import DataError, MissingExtraError, suggest
from moodfuse.labels import Labels

try:
    from sklearn.model_selection import StratifiedGroupKFold
except ImportError as error:
    raise MissingExtraError(
        "splitting posts needs scikit-learn, which is not installed; pip install 'moodfuse[eval]'"
    ) from error

#: Fewest folds: one tests, one validates, one trains.
LEAST_FOLDS = 3
#: Seeds tried, one after the other, until every part holds every class; fewer to see whether other folds would do.
_TRIES, _TRIES_TO_ADVISE = 100, 10


@dataclass(frozen=True, slots=True)
class Deck:
    """What is dealt: the label and the group of near-duplicates of each post."""

    truth: Sequence[str]
    group: Sequence[int]
    #: Where the posts come from, for messages.
    source: str

    @property
    def most(self) -> int:
        """More folds than this cannot be dealt: so many groups there are, and posts of the most frequent label."""
        return min(len(set(self.group)), max(Counter(self.truth).values(), default=0))

    def deal(self, folds: int, seed: int, tries: int = _TRIES) -> tuple[list[int], int] | None:
        """Return each post's fold, and the seed from `seed` on that put every label into every part; `None`: none."""
        if folds > self.most:
            return None
        for used in range(seed, seed + tries):
            dealt = _dealt(self.truth, self.group, folds, used)
            seen = {(min(fold, LEAST_FOLDS - 1), label) for fold, label in zip(dealt, self.truth, strict=True)}
            if len(seen) == LEAST_FOLDS * len(set(self.truth)):
                return dealt, used
        return None

    def draw(self, size: float, seed: int) -> list[bool]:
        """Draw a part of `size`, a share below 1 or a number of posts: its share of every label, groups kept whole.

        Returns whether each post is in it. Groups come in random order, each taken if no label gets more than its
        share; so it may lack some posts where groups are large.
        """
        counts = Counter(self.truth)
        share = size if size < 1 else size / len(self.truth)
        room = _apportioned({label: count * share for label, count in counts.items()})
        members: dict[int, list[int]] = {}
        for i, group in enumerate(self.group):
            members.setdefault(group, []).append(i)
        drawn = [False] * len(self.truth)
        order = list(members)
        np.random.default_rng(seed).shuffle(order)
        for group in order:
            need = Counter(self.truth[i] for i in members[group])
            if all(room[label] >= count for label, count in need.items()):
                room.subtract(need)
                for i in members[group]:
                    drawn[i] = True
        return drawn

    def check_labels(self, labels: Labels) -> None:
        """Raise `DataError` where no number of folds would do: for a label that is unknown, or too rare."""
        if not self.truth:
            raise DataError(f"{self.source}: expected posts with a label, found none")
        if unknown := sorted(set(self.truth) - set(labels.names)):
            raise DataError(f"{self.source}: {suggest(unknown[0], labels.names, what='label')}")
        for name in labels.names:
            found = len({g for g, label in zip(self.group, self.truth, strict=True) if label == name})
            if found < LEAST_FOLDS:
                raise DataError(
                    f"{self.source}: label {name!r}: expected posts in {LEAST_FOLDS} or more groups of near-duplicates "
                    f"(for train, validation and test), found {found}; add posts or take the label out of `labels`"
                )

    def too_few(self, folds: int, seed: int, *, settable: bool) -> DataError:
        """Return the error that says what so many folds need and, where they are `settable`, how many would do."""
        groups, often = len(set(self.group)), max(Counter(self.truth).values())
        found = f"{len(self.truth)} labelled posts in {groups} groups, {often} of the most frequent label"
        need = f"{folds} groups of near-duplicates or more, and {folds} posts of one label"
        if folds <= self.most:
            need = "enough posts of every label to put it into train, validation and test"
        fewer = range(min(folds - 1, self.most), LEAST_FOLDS - 1, -1) if settable else ()
        would_do = next((n for n in fewer if self.deal(n, seed, _TRIES_TO_ADVISE)), None)
        advice = f"set split.folds={would_do}, or add posts" if would_do else "add posts"
        return DataError(f"{self.source}: {folds} folds need {need}; found {found}; {advice}")


def _apportioned(shares: dict[str, float]) -> Counter[str]:
    """Return whole numbers near `shares`, of the same sum, by largest remainders."""
    whole = Counter({label: int(share) for label, share in shares.items()})
    left = round(sum(shares.values())) - whole.total()
    for label in sorted(shares, key=lambda label: (whole[label] - shares[label], label))[:left]:
        whole[label] += 1
    return whole


def _dealt(truth: Sequence[str], group: Sequence[int], folds: int, seed: int) -> list[int]:
    fold = [0] * len(truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the folds: checked here, for what matters
        dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        for number, (_, held_out) in enumerate(dealer.split(truth, truth, group)):
            for i in held_out:
                fold[i] = number
    return fold
