"""The cells of a comparison, joined: the out-of-fold predictions of each arm for every post."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from moodfuse.data.duplicates import Groups
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.evaluate.calibration import fit_temperature
from moodfuse.evaluate.logits import logits_of, softmax
from moodfuse.evaluate.resampling import Resampler, System
from moodfuse.labels import Labels
from moodfuse.records.cells import CellKey, StoredCell, read_cell
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.records.plan import PlannedArm


@dataclass(frozen=True, slots=True)
class Arm:
    """A row of the tables. `probabilities`: (S, N, C), of all out-of-fold posts, with each seed."""

    name: str
    model: str
    reads: str
    withheld: str | None
    probabilities: np.ndarray

    def system(self) -> System:
        """Return its predictions, (S, N)."""
        return System(self.probabilities.argmax(2), self.model)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The complete seeds of a comparison. `true`, `folds`, `groups`: of each post, (N,)."""

    labels: Labels
    seeds: list[int]
    true: np.ndarray
    folds: np.ndarray
    groups: list[int]
    arms: list[Arm]
    cells: Mapping[CellKey, StoredCell]

    @property
    def models(self) -> list[Arm]:
        """The arms with nothing withheld."""
        return [arm for arm in self.arms if arm.withheld is None]

    def cells_of(self, model: str) -> list[StoredCell]:
        """Return a model's cells, seed by seed and fold by fold."""
        return [cell for seed in self.seeds for cell in _cells_of(self.cells, model, seed)]

    def withheld(self, model: str, modality: str) -> np.ndarray:
        """Return a model's probabilities without a modality, (S, N, C)."""
        return _stack(self.cells, model, self.seeds, modality)

    def temperatures(self, model: str) -> np.ndarray:
        """Return the temperature of each of a model's probabilities, (S, N, 1)."""
        found = [np.full(len(cell.ids), cell.metrics.temperature) for cell in self.cells_of(model)]
        return np.concatenate(found).reshape(len(self.seeds), -1, 1)

    def resampler(self, arms: Sequence[Arm]) -> Resampler:
        """Return a resampler of the posts, by whole groups, for these arms."""
        systems = {arm.name: arm.system() for arm in arms}
        return Resampler(self.true, systems, labels=self.labels, folds=self.folds.tolist(), groups=self.groups)


def gather(comparison: ComparisonFolder) -> Gathered:
    """Read the cells. Seeds that are incomplete for a shown model are left out, as are models without a complete seed.

    Raises `DataError` if no model has a complete seed yet, or a cell is damaged.
    """
    seeds, names = _whole(comparison)
    cells: dict[CellKey, StoredCell] = {}
    for name in names:
        for seed in seeds:
            keys = [CellKey(seed, fold, name) for fold in range(comparison.plan.folds)]
            read = [read_cell(comparison.path, key, comparison.labels) for key in keys]
            cells |= {cell.key: cell for cell in calibrated_by_others(read)}
    first = _cells_of(cells, names[0], seeds[0])
    ids = [i for cell in first for i in cell.ids]
    _check_same_posts(comparison, cells, ids)
    return Gathered(
        comparison.labels,
        seeds,
        np.concatenate([cell.true for cell in first]),
        np.repeat([cell.key.fold for cell in first], [len(cell.ids) for cell in first]),
        _groups(comparison, ids),
        [_arm(arm, cells, seeds) for arm in comparison.plan.arms if arm.model in names],
        cells,
    )


def _whole(comparison: ComparisonFolder) -> tuple[list[int], list[str]]:
    """Return the seeds and the models to show: each model has all its cells of each of these seeds."""
    plan = comparison.plan
    missing = {(key.model, key.seed) for key in comparison.todo()}
    whole = {(name, seed) for name in plan.model_names for seed in plan.seeds} - missing
    if not whole:
        raise DataError(f"{comparison.path}: no model has all its cells of a seed yet; run the command again")
    count = Counter(seed for _, seed in whole)
    seeds = sorted(seed for seed in count if count[seed] == max(count.values()))
    while not (names := [name for name in plan.model_names if all((name, seed) in whole for seed in seeds)]):
        seeds.pop()  # different models have different complete seeds: with fewer seeds, a model is left
    return seeds, names


def _check_same_posts(comparison: ComparisonFolder, cells: Mapping[CellKey, StoredCell], ids: Sequence[str]) -> None:
    for model, seed in {(key.model, key.seed): None for key in cells}:
        if [i for cell in _cells_of(cells, model, seed) for i in cell.ids] != ids:
            raise DataError(
                f"{comparison.path}: the cells of {model} are about different posts; delete them and run again"
            )


def _groups(comparison: ComparisonFolder, ids: Sequence[str]) -> list[int]:
    """Return each post's group of near-duplicates, (N,)."""
    split, groups = Split.load(comparison.split), Groups.load(comparison.groups)
    if missing := [i for i in ids if i not in split.folds or i not in groups.group_of]:
        raise DataError(f"{comparison.path}: split.json and groups.json lack {len(missing)} posts of the cells")
    return [groups.group_of[i] for i in ids]


def calibrated_by_others(cells: Sequence[StoredCell]) -> list[StoredCell]:
    """Return the cells of a training seed; those without validation posts get a temperature.

    It is fitted on the other cells' answers, which are also out of fold. A cell does not record which of its posts had
    nothing to read: their answers (the class shares) are scaled too, which changes no label.
    """
    return [cell if cell.metrics.posts.validation else _calibrated(cell, cells) for cell in cells]


def _calibrated(cell: StoredCell, cells: Sequence[StoredCell]) -> StoredCell:
    others = [other for other in cells if other.key != cell.key]
    temperature = fit_temperature(
        np.concatenate([other.logits() for other in others]), np.concatenate([other.true for other in others])
    )
    return replace(
        cell,
        probabilities={
            withheld: softmax(logits_of(table) / temperature) for withheld, table in cell.probabilities.items()
        },
        metrics=cell.metrics.model_copy(update={"temperature": temperature}),
    )


def _arm(arm: PlannedArm, cells: Mapping[CellKey, StoredCell], seeds: Sequence[int]) -> Arm:
    probabilities = _stack(cells, arm.model, seeds, arm.withheld or "")
    return Arm(arm.name, arm.model, arm.reads, arm.withheld, probabilities)


def _stack(cells: Mapping[CellKey, StoredCell], model: str, seeds: Sequence[int], withheld: str) -> np.ndarray:
    return np.stack(
        [np.concatenate([cell.probabilities[withheld] for cell in _cells_of(cells, model, seed)]) for seed in seeds]
    )


def _cells_of(cells: Mapping[CellKey, StoredCell], model: str, seed: int) -> list[StoredCell]:
    return [cells[key] for key in sorted(cells) if (key.model, key.seed) == (model, seed)]
