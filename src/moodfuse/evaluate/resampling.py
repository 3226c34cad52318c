"""The bootstrap: any number of systems on the same posts, resampled together, so that every difference is paired.

Each resample draws groups of near-duplicates with replacement, the same groups for every system. A resample changes
only the counts of the confusion matrices. So only the counts that a group adds to each matrix are kept, and the scores
are computed from sums of counts.

The score of a system with several seeds is the mean over its seeds. Each resample also draws seeds with replacement,
separately for each model: a training is a random draw too, and chance in training must not look like a difference. A
seed is drawn with all its folds, since they share their initial weights, and one seed fewer is drawn than there are:
the mean of S draws would vary by (S - 1) / S of what the mean of S seeds does (Rao and Wu, 1988). (The mean of the
seeds' probabilities would be the answer of an ensemble, which is never shipped.) With one seed, only the posts are
resampled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import ConfigError, DataError
from moodfuse.evaluate.metrics import confusion_metrics
from moodfuse.labels import Labels

_BLOCK = 250  # resamples at a time, to limit the memory
_REPEATS = 4  # kinds are drawn instead of groups if each kind has at least this many groups on average
Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class System:
    """A system's predictions for N posts with each of S seeds: label ids, (S, N).

    Systems of the same `model` are the same trainings, read in several ways, and share the drawn seeds in a resample.
    """

    predicted: NDArray[np.int64]
    model: str


@dataclass(frozen=True, slots=True)
class _Fold:
    """The groups of a fold, (G,), and the counts that each adds to the confusion matrix of every system and seed."""

    members: NDArray[np.int64]
    table: Table  # (G, A x S x C x C)


class Resampler:
    """Resamples of the truth, (N,), together with A systems on the same posts.

    `folds`, (N,): which training of a seed tested the post (`None`: a single training); `groups`, (N,): its group of
    near-duplicates (`None`: each post by itself). Raises `DataError` if lengths or numbers of seeds differ.
    """

    def __init__(
        self,
        true: ArrayLike,
        systems: Mapping[str, System],
        *,
        labels: Labels,
        folds: Sequence[int] | None = None,
        groups: Sequence[Hashable] | None = None,
    ) -> None:
        truth = np.asarray(true)
        shapes = {system.predicted.shape for system in systems.values()}
        if len(shapes) != 1 or next(iter(shapes))[1] != len(truth) or not len(truth):
            raise DataError(f"systems: expected seeds x {len(truth)} predictions of each, found {sorted(shapes)}")
        if groups is not None and len(groups) != len(truth):
            raise DataError(f"scores: expected a group for each of {len(truth)} posts, found {len(groups)}")
        self.true = truth
        self.names = list(systems)
        self.models = [system.model for system in systems.values()]
        self.labels = labels
        self.seeds = next(iter(shapes))[0]
        number: dict[Hashable, int] = {}
        names = range(len(truth)) if groups is None else groups
        group = np.array([number.setdefault(name, len(number)) for name in names])
        self.groups = len(number)
        fold = np.zeros(len(truth), int) if folds is None else np.asarray(folds)
        self._folds = [self._fold(systems, group, fold == value) for value in np.unique(fold)]

    def observed(self) -> dict[str, NDArray[np.float64]]:
        """Return each metric of each system on the original posts, (A,): means over seeds."""
        scores = self._scores(np.ones((1, self.groups), np.float32), self._folds)
        return {name: value[0] for name, value in scores.items()}

    def draws(self, resamples: int, *, seed: int = 0) -> dict[str, NDArray[np.float64]]:
        """Return each metric of each system in each resample, (R, A). Raises `ConfigError` for no resamples."""
        luck = np.random.default_rng([seed, 1])
        occurrences, kinds = self._kinds()
        blocks = _draw_kinds(occurrences, resamples, seed) if kinds else _draw_groups(self.groups, resamples, seed)
        parts = [self._scores(weights, kinds or self._folds, luck) for weights in blocks]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def in_and_out(self, metric: str, resamples: int, *, seed: int = 0) -> tuple[NDArray[np.float64], ...]:
        """Return a metric on the posts that each resample drew and on the others, (R, A) both."""
        inside, outside = [], []
        for weights in _draw_groups(self.groups, resamples, seed):
            inside.append(self._scores(weights, self._folds)[metric])
            outside.append(self._scores((weights == 0).astype(np.float32), self._folds)[metric])
        return np.concatenate(inside), np.concatenate(outside)

    def _fold(self, systems: Mapping[str, System], group: NDArray[np.int64], here: NDArray[np.bool_]) -> _Fold:
        size = len(self.labels)
        members, place = np.unique(group[here], return_inverse=True)
        table = np.zeros((len(members), len(systems), self.seeds, size * size), np.float32)
        for a, system in enumerate(systems.values()):
            for s, predicted in enumerate(system.predicted):
                np.add.at(table[:, a, s], (place, (self.true * size + predicted)[here]), 1)
        return _Fold(members, table.reshape(len(members), -1))

    def _kinds(self) -> tuple[NDArray[np.int64], list[_Fold]]:
        """Return how often each kind of group occurs, (K,), and a fold of the kinds; no fold if few groups are equal.

        Groups that add the same counts are of the same kind and interchangeable. Few systems on many posts have few
        kinds: drawing kinds by their frequency is the same bootstrap in a tenth of the time.
        """
        if len(self._folds) > 1:
            return np.empty(0, np.int64), []
        (fold,) = self._folds
        kinds = Counter(row.tobytes() for row in fold.table)
        if _REPEATS * len(kinds) > self.groups:
            return np.empty(0, np.int64), []
        rows = np.frombuffer(b"".join(kinds), np.float32).reshape(len(kinds), -1)
        return np.array(list(kinds.values())), [_Fold(np.arange(len(kinds)), rows)]

    def _scores(
        self, weights: Table, folds: Sequence[_Fold], luck: np.random.Generator | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Return each metric, (B, A), the mean over seeds; `luck` draws the seeds again if there are several."""
        classes = len(self.labels)
        total = np.zeros((len(weights), len(self.names), self.seeds, classes * classes))
        for fold in folds:
            total += (weights[:, fold.members] @ fold.table).reshape(total.shape)  # (B, A, S, C x C)
        metrics = confusion_metrics(total.reshape(*total.shape[:3], classes, classes), self.labels)  # each (B, A, S)
        if luck is not None and self.seeds > 1:
            drawn = self._seeds(luck, len(weights))
            metrics = {name: np.take_along_axis(value, drawn, axis=2) for name, value in metrics.items()}
        return {name: value.mean(2) for name, value in metrics.items()}

    def _seeds(self, luck: np.random.Generator, draws: int) -> NDArray[np.int64]:
        """Return the seeds that each resample draws of each system, (B, A, S - 1)."""
        models = {model: i for i, model in enumerate(dict.fromkeys(self.models))}
        drawn = luck.integers(0, self.seeds, (draws, len(models), self.seeds - 1))
        return drawn[:, [models[model] for model in self.models]]


def _draw_groups(groups: int, resamples: int, seed: int) -> Iterator[Table]:
    """Yield blocks of counts, (B, G): how often each resample draws each group."""
    generator = np.random.default_rng([seed, 0])
    for size in _blocks(resamples):
        drawn = generator.integers(0, groups, (size, groups))
        drawn += np.arange(size)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=size * groups)
        yield counts.reshape(size, groups).astype(np.float32)


def _draw_kinds(occurrences: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Table]:
    """Yield blocks of counts, (B, K): how often each resample draws a group of each kind."""
    generator, groups = np.random.default_rng([seed, 0]), int(occurrences.sum())
    for size in _blocks(resamples):
        yield generator.multinomial(groups, occurrences / groups, size=size).astype(np.float32)


def _blocks(resamples: int) -> Iterator[int]:
    if resamples < 1:
        raise ConfigError(f"resamples: expected 1 or more, found {resamples}")
    for start in range(0, resamples, _BLOCK):
        yield min(_BLOCK, resamples - start)
