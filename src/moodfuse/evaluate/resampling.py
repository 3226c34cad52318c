"""Many systems on the same posts: one bootstrap for all, so that every difference is a paired one.

Each resample draws groups of near-duplicates with replacement, the same for every system. A system that was trained
with several seeds is scored by the mean over its seeds, and in each resample every fold's seeds are drawn anew, with
replacement, for each model by itself: a training is a draw too, and its luck must not pass for a difference. (Averaging
the seeds' probabilities would score another model than any that ships.) With one seed only the posts are resampled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import DataError
from moodfuse.evaluate.intervals import confusion_metrics
from moodfuse.labels import Labels

_BLOCK = 250  # resamples at a time: bounds the memory
Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class System:
    """What one system says of N posts, with each of S seeds: label ids, (S, N).

    Systems of one `model` are one training read in several ways, and share its seeds in a resample.
    """

    predicted: NDArray[np.int64]
    model: str


class Resampler:
    """The truth, (N,), and A systems on the same posts, ready to be resampled together.

    `folds`, (N,): which training of a seed tested the post (`None`: one for all); `groups`, (N,): its group of
    near-duplicates (`None`: each post by itself). Raises `DataError` for lengths or numbers of seeds that differ.
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
        self.names = list(systems)
        self.models = [system.model for system in systems.values()]
        self.labels = labels
        self.seeds = next(iter(shapes))[0]
        number: dict[Hashable, int] = {}
        group = np.array([number.setdefault(name, len(number)) for name in groups or range(len(truth))])
        self.groups = len(number)
        fold = np.zeros(len(truth), int) if folds is None else np.asarray(folds)
        self._tables = [self._table(truth, systems, group, fold == one) for one in np.unique(fold)]

    def observed(self) -> dict[str, NDArray[np.float64]]:
        """Return each metric of each system on the posts as they are, (A,): means over seeds."""
        return self._scores(np.ones((1, self.groups), np.float32), None, 0)

    def draws(self, resamples: int, *, seed: int = 0) -> dict[str, NDArray[np.float64]]:
        """Return each metric of each system in each resample, (R, A)."""
        generator = np.random.default_rng([seed, 1])
        parts = [self._scores(weights, generator, len(weights)) for weights in self._weights(resamples, seed)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def in_and_out(self, metric: str, resamples: int, *, seed: int = 0) -> tuple[NDArray[np.float64], ...]:
        """Return a metric on the posts that each resample drew and on those that it did not, (R, A) both."""
        inside, outside = [], []
        for weights in self._weights(resamples, seed):
            inside.append(self._scores(weights, None, 0)[metric])
            outside.append(self._scores((weights == 0).astype(np.float32), None, 0)[metric])
        return np.concatenate(inside), np.concatenate(outside)

    def _table(
        self, truth: NDArray[np.int64], systems: Mapping[str, System], group: NDArray[np.int64], here: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Table]:
        """Return a fold's groups, (G,), and what they add to each system's and seed's confusion, (G, A x S x C x C)."""
        size = len(self.labels)
        members, place = np.unique(group[here], return_inverse=True)
        table = np.zeros((len(members), len(systems), self.seeds, size * size), np.float32)
        for a, system in enumerate(systems.values()):
            for s, predicted in enumerate(system.predicted):
                np.add.at(table[:, a, s], (place, (truth * size + predicted)[here]), 1)
        return members, table.reshape(len(members), -1)

    def _weights(self, resamples: int, seed: int) -> Iterator[Table]:
        """Yield blocks of how often each resample draws each group, (B, G)."""
        generator = np.random.default_rng([seed, 0])
        for start in range(0, resamples, _BLOCK):
            size = min(_BLOCK, resamples - start)
            drawn = generator.integers(0, self.groups, (size, self.groups))
            drawn += np.arange(size)[:, None] * self.groups
            counts = np.bincount(drawn.ravel(), minlength=size * self.groups)
            yield counts.reshape(size, self.groups).astype(np.float32)

    def _scores(
        self, weights: Table, generator: np.random.Generator | None, draws: int
    ) -> dict[str, NDArray[np.float64]]:
        """Return each metric, (B, A), the mean over seeds; `generator` draws the seeds anew where there are several."""
        classes = len(self.labels)
        total = np.zeros((len(weights), len(self.names), self.seeds, classes * classes))
        for members, table in self._tables:
            counts = (weights[:, members] @ table).reshape(total.shape)  # (B, A, S, C x C)
            if generator is not None and self.seeds > 1:
                counts = np.take_along_axis(counts, self._seeds(generator, draws), axis=2)
            total += counts
        metrics = confusion_metrics(total.reshape(*total.shape[:3], classes, classes), self.labels)
        return {name: value.mean(2) for name, value in metrics.items()}

    def _seeds(self, generator: np.random.Generator, draws: int) -> NDArray[np.int64]:
        """Return which seeds stand for a fold's seeds, (B, A, S, 1)."""
        models = {model: i for i, model in enumerate(dict.fromkeys(self.models))}
        drawn = generator.integers(0, self.seeds, (draws, len(models), self.seeds))
        return drawn[:, [models[model] for model in self.models], :, None]
