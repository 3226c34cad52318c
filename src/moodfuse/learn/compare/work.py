"""Cells of a comparison: the posts that each cell trains, chooses and tests on, and how it is written to disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from moodfuse.config import Config
from moodfuse.data.corpora import Pool
from moodfuse.data.splits import PARTS, Split
from moodfuse.errors import ConfigError
from moodfuse.labels import Labels
from moodfuse.learn.compare.cell import CellData, CellResult, cell_scores, run_cell
from moodfuse.learn.compare.stages import CellStages
from moodfuse.learn.feature_folder import FeatureFolder
from moodfuse.learn.fusion import find_fusion
from moodfuse.records.cells import FORMAT, CellKey, CellMetrics, CellSeconds, Grid, PartSizes, StoredCell, write_cell
from moodfuse.records.configuration import StoredConfig


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that a process needs to run any cell of a comparison."""

    comparison: Path
    configs: Mapping[str, Config]  # by model
    ids: Sequence[str]
    targets: Sequence[int]
    groups: Sequence[int]  # each post's group of near-duplicates
    labels: Labels
    folds: Mapping[str, int]
    trials: int
    keep_heads: int  # the seed whose heads are kept
    features: FeatureFolder
    also: Sequence[Pool] = ()  # rows behind those of `ids`
    grids: Mapping[str, Grid] = field(default_factory=dict)  # by model

    def run(self, key: CellKey) -> None:
        """Run a cell and write its folder."""
        row = {post_id: i for i, post_id in enumerate(self.ids)}
        config = self.configs[key.model].model_copy(update={"seed": key.seed})
        grid = self.grids.get(key.model, {})
        chooses = self.trials > 0 or bool(grid) or config.train.monitor != "none"
        parts = cell_parts(self.folds, key.fold, chooses=chooses)
        rows = {part: [row[i] for i in ids] for part, ids in parts.items()}
        opener = CellStages(self.comparison, key.name, config, self.targets, rows, self.features, self.also)
        data = CellData(self.targets, self.groups, opener, self.also)
        log = key.trials(self.comparison)
        result = run_cell(config, data, rows, trials=self.trials, grid=grid, log=log)
        sizes = PartSizes(train=len(parts["train"]), validation=len(parts["validation"]), test=len(parts["test"]))
        metrics = _metrics(key, result, sizes, cell_scores(result, data, rows), self.folds)
        true = np.array([self.targets[i] for i in rows["test"]])
        cell = StoredCell(key, parts["test"], true, result.probabilities, metrics)
        pooled = find_fusion(config.model.fusion).consumes == "pooled"
        frozen = config.train.regime == "frozen"
        head = result.head() if pooled and frozen and key.seed == self.keep_heads else None
        write_cell(self.comparison, cell, result.fitted.history, self.labels, head)
        log.path.unlink(missing_ok=True)


def fold_parts(folds: Mapping[str, int], pair: int) -> dict[str, list[str]]:
    """Return the ids of cell `pair` of a split: two folds test, the next validates, the others train.

    Ten folds make five cells, 0 to 4, and six make three; together they test every post once.
    """
    count = 1 + max(folds.values())
    if count % 2:
        raise ConfigError(f"cells of pairs need a split of 10, 8 or 6 folds, found {count}")
    test, validation = _folds_of(pair, count)
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for post_id, fold in folds.items():
        parts["test" if fold in test else "validation" if fold == validation else "train"].append(post_id)
    return parts


def cell_split(split: Split, pair: int) -> Split:
    """Return a split with the roles that its folds have in cell `pair`; one without a test part as it is."""
    if not has_test(split.folds):
        return split
    test, validation = _folds_of(pair, 1 + max(split.folds.values()))
    return replace(split, test=test, validation=(validation,))


def has_test(folds: Mapping[str, int]) -> bool:
    """Return whether a split of a comparison has posts that test; with `split.validation` it has none."""
    return PARTS["test"] in folds.values()


def cell_parts(folds: Mapping[str, int], pair: int, *, chooses: bool) -> dict[str, list[str]]:
    """Return the ids of a cell as a model uses them: if it `chooses` nothing, it trains on the validation fold too.

    Its temperature is then fitted on the other cells' predictions for their test posts, when all cells are done. In a
    split without a test part, the posts that choose are also those that score.
    """
    if not has_test(folds):
        held = [post_id for post_id, fold in folds.items() if fold == PARTS["validation"]]
        train = [post_id for post_id, fold in folds.items() if fold == PARTS["train"]]
        return {"train": train, "validation": held, "test": held}
    parts = fold_parts(folds, pair)
    if chooses:
        return parts
    return parts | {"train": [*parts["train"], *parts["validation"]], "validation": []}


def _folds_of(pair: int, count: int) -> tuple[tuple[int, int], int]:
    return (2 * pair, 2 * pair + 1), (2 * pair + 2) % count


def _metrics(
    key: CellKey, result: CellResult, posts: PartSizes, test: Mapping[str, float], folds: Mapping[str, int]
) -> CellMetrics:
    fitted, best = result.fitted, result.fitted.best
    tested: tuple[int, ...] = ()
    chosen = PARTS["validation"]
    if has_test(folds):
        tested, chosen = _folds_of(key.fold, 1 + max(folds.values()))
    return CellMetrics(
        format=FORMAT,
        model=key.model,
        seed=key.seed,
        fold=key.fold,
        test_folds=list(tested),
        validation_folds=[chosen] if posts.validation else [],
        posts=posts,
        temperature=result.temperature,
        best_epoch=int(best["epoch"]) + 1,
        epochs=len(fitted.history),
        validation={name: best[f"val_{name}"] for name in ("accuracy", "macro_f1", "loss") if posts.validation},
        test=dict(test),
        parameters=fitted.parameters,
        seconds=CellSeconds(
            epoch=float(np.median([row["seconds"] for row in fitted.history])),
            fit=round(fitted.seconds, 3),
            cell=round(result.seconds, 3),
        ),
        config=StoredConfig.from_config(fitted.config),
        trials=result.trials,
    )
