"""The `--robustness` of a comparison: damage texts and images of a sample, encode them again and predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split
from moodfuse.progress import Notify, Progress
from moodfuse.records.cells import CellKey
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.records.record import write_record
from moodfuse.records.results import ComparisonResults, DamagedScores

if TYPE_CHECKING:
    from moodfuse.learn.compare.models import ComparedModel

_DAMAGED_POSTS = 300  # most posts that are encoded again for each damage and level


def damage(
    comparison: ComparisonFolder,
    posts: Posts,
    models: Sequence[ComparedModel],
    results: ComparisonResults,
    progress: Progress,
    notify: Notify,
) -> None:
    """Write `robustness.json` for the best fusion whose heads were kept, and for text and image alone."""
    from moodfuse.learn.compare.damage import Tested, damage_curves
    from moodfuse.learn.compare.work import cell_parts

    seed, folds = comparison.plan.seeds[0], comparison.plan.folds
    kept = {
        model.name: model
        for model in models
        if all(CellKey(seed, f, model.name).head(comparison.path).is_file() for f in range(folds))
    }
    scores = {row.arm: row.macro_f1.value for row in results.rows if row.reads == "both"}
    best = max((name for name in scores if name in kept), key=lambda name: scores[name], default=None)
    chosen = [name for name in (best, "text", "image") if name in kept]
    if not chosen:
        notify("robustness: no frozen fusion on pooled vectors has kept its heads here; nothing was damaged")
        return
    split = Split.load(comparison.split)
    cells = {i: cell for cell in range(folds) for i in cell_parts(split.folds, cell, chooses=True)["test"]}
    ids = [i for i in posts.ids if i in cells]
    drawn = np.sort(np.random.default_rng(0).permutation(len(ids))[:_DAMAGED_POSTS])
    sample = posts.subset(ids[i] for i in drawn)
    configs = {model.name: model.config for model in comparison.plan.models}
    tested = [Tested(name, configs[name].resolved(), seed) for name in chosen]
    curves = damage_curves(comparison.path, tested, sample, cells, comparison.labels, progress=progress)
    damaged = DamagedScores(posts=len(sample), ids=sample.ids, seed=seed, curves=curves)
    write_record(comparison.robustness, damaged)
