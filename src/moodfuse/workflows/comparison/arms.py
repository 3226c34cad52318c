"""The cells of a comparison put together: what each arm says of every post, out of fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from moodfuse.data.duplicates import Groups
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.evaluate.calibration import fit_temperature
from moodfuse.evaluate.resampling import System
from moodfuse.labels import Labels
from moodfuse.records.cells import CellKey, StoredCell, read_cell
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.runtime.predictor import softmax


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the tables. `probabilities`: (S, N, C), of all out-of-fold posts, with each seed."""

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
    """All that is whole of a comparison. `true`, `folds`, `groups`: of each post, (N,)."""

    labels: Labels
    seeds: list[int]
    true: np.ndarray
    folds: np.ndarray
    groups: list[int]
    arms: list[Arm]
    cells: Mapping[CellKey, StoredCell]

    def arm(self, name: str) -> Arm:
        """Return the arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def models(self) -> list[Arm]:
        """The arms from which nothing is withheld."""
        return [arm for arm in self.arms if arm.withheld is None]

    def withheld(self, model: str, modality: str) -> np.ndarray:
        """Return a model's probabilities without a modality, (S, N, C)."""
        return _stack(self.cells, model, self.seeds, modality)

    def temperatures(self, model: str) -> np.ndarray:
        """Return the temperature behind each of a model's probabilities, (S, N, 1)."""
        one = [
            np.concatenate(
                [np.full(len(cell.ids), cell.metrics["temperature"]) for cell in _of(self.cells, model, seed)]
            )
            for seed in self.seeds
        ]
        return np.stack(one)[:, :, None]


def gather(comparison: ComparisonFolder) -> Gathered:
    """Read the cells. Seeds that are not whole for every model shown are left out, and so are models without any.

    Raises `DataError` where no model has a whole seed yet, or a cell is damaged.
    """
    labels, plan = comparison.labels, comparison.plan
    done = {key for key in comparison.cells() if key.is_done(comparison.path)}
    whole = [
        (key.model, key.seed)
        for key in sorted(done)
        if key.fold == 0 and all(CellKey(key.seed, fold, key.model) in done for fold in range(plan["folds"]))
    ]
    if not whole:
        raise DataError(f"{comparison.path}: no model has all its cells of a seed yet; run the command again")
    count = Counter(seed for _, seed in whole)
    seeds = sorted(seed for seed in count if count[seed] == max(count.values()))
    models = [model["name"] for model in plan["models"]]
    while not (names := [name for name in models if all((name, seed) in whole for seed in seeds)]):
        seeds.pop()  # each seed is whole for another model: fewer of them, so that something is left to show
    keys = [CellKey(s, f, name) for name in names for s in seeds for f in range(plan["folds"])]
    cells = {key: read_cell(comparison.path, key, labels) for key in keys}
    for name in names:
        for seed in seeds:
            cells |= {cell.key: cell for cell in calibrated_by_others(_of(cells, name, seed))}
    first = _of(cells, names[0], seeds[0])
    ids = [i for cell in first for i in cell.ids]
    for name in names:
        for seed in seeds:
            if [i for cell in _of(cells, name, seed) for i in cell.ids] != ids:
                raise DataError(f"{comparison.path}: the cells of {name} are of other posts; delete them and run again")
    split, groups = Split.load(comparison.split), Groups.load(comparison.groups)
    if missing := [i for i in ids if i not in split.folds or i not in groups.group_of]:
        raise DataError(
            f"{comparison.path}: split.json and groups.json say nothing of {len(missing)} posts of the cells"
        )
    return Gathered(
        labels,
        seeds,
        np.concatenate([cell.true for cell in first]),
        np.repeat([cell.key.fold for cell in first], [len(cell.ids) for cell in first]),
        [groups.group_of[i] for i in ids],
        [_arm(arm, cells, seeds) for arm in plan["arms"] if arm["model"] in names],
        cells,
    )


def calibrated_by_others(cells: Sequence[StoredCell]) -> list[StoredCell]:
    """Return a training seed's cells, those that validated on nothing with a temperature.

    It is fitted on the other cells' answers, which are out of fold as this cell's are. A cell does not say which of its
    posts had nothing to read: their shares of the classes are divided too, which moves no label.
    """
    logits = {cell.key: np.log(cell.probabilities[""].clip(1e-12)) * cell.metrics["temperature"] for cell in cells}
    found = []
    for cell in cells:
        if not cell.metrics["posts"]["validation"]:
            others = [other for other in cells if other.key != cell.key]
            temperature = fit_temperature(
                np.concatenate([logits[other.key] for other in others]),
                np.concatenate([other.true for other in others]),
            )
            probabilities = {
                withheld: softmax(np.log(table.clip(1e-12)) / temperature)
                for withheld, table in cell.probabilities.items()
            }
            cell = replace(cell, probabilities=probabilities, metrics=cell.metrics | {"temperature": temperature})
        found.append(cell)
    return found


def _arm(arm: Mapping[str, Any], cells: Mapping[CellKey, StoredCell], seeds: Sequence[int]) -> Arm:
    probabilities = _stack(cells, arm["model"], seeds, arm["withheld"] or "")
    return Arm(arm["name"], arm["model"], arm["reads"], arm["withheld"], probabilities)


def _stack(cells: Mapping[CellKey, StoredCell], model: str, seeds: Sequence[int], withheld: str) -> np.ndarray:
    return np.stack([np.concatenate([cell.probabilities[withheld] for cell in _of(cells, model, s)]) for s in seeds])


def _of(cells: Mapping[CellKey, StoredCell], model: str, seed: int) -> list[StoredCell]:
    return [cells[key] for key in sorted(cells) if (key.model, key.seed) == (model, seed)]
