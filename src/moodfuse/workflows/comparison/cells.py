"""The cells of a comparison that are still to run, and the time that they will take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from moodfuse.data.duplicates import Groups
from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split
from moodfuse.progress import Notify, Progress
from moodfuse.records.cells import STAGE_HISTORY, CellKey, stages_folder
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.staging import sweep_temporary
from moodfuse.workflows.corpora import ReadCorpora

if TYPE_CHECKING:
    from moodfuse.learn.compare.models import ComparedModel


def run_missing(
    comparison: ComparisonFolder,
    posts: Posts,
    also: ReadCorpora,
    models: Sequence[ComparedModel],
    workers: int | None,
    progress: Progress,
    notify: Notify,
) -> None:
    """Run the cells of a comparison that are not on disk yet, `workers` at a time (`None`: as many as cores).

    The encoders that cells have tuned stay, for `forget_tuned` to delete.
    """
    from moodfuse.learn.compare.work import Work
    from moodfuse.learn.compare.workers import run_cells
    from moodfuse.learn.feature_folder import feature_folder
    from moodfuse.learn.parts import label_ids

    trained = {model.name for model in models}
    todo = [key for key in comparison.todo() if key.model in trained]
    total = sum(key.model in trained for key in comparison.cells())
    if not todo:
        sweep_temporary("features")  # one that was killed behind its last cell left them
        notify(f"all {total} cells had been run before; nothing was trained")
        return
    if len(todo) < total:
        notify(f"{total - len(todo)} of {total} cells had been run before")
    folds, groups = Split.load(comparison.split).folds, Groups.load(comparison.groups).group_of
    needed = [model.config for model in models if any(key.model == model.name for key in todo)]
    every = also.corpora.beside(posts)
    with feature_folder(every, needed, progress) as features:
        work = Work(
            comparison=comparison.path,
            configs={model.name: model.config for model in models},
            ids=posts.ids,
            targets=label_ids(every, comparison.labels),
            groups=[groups[i] for i in posts.ids],
            labels=comparison.labels,
            folds=folds,
            trials=comparison.plan.trials,
            keep_heads=comparison.plan.seeds[0],
            features=features,
            also=also.corpora.pools(len(posts)),
            grids={model.name: model.grid for model in models},
        )
        run_cells(work, todo, workers=min(workers or _cores(), len(todo)), done=_counting(len(todo), total, progress))


def forget_tuned(comparison: ComparisonFolder) -> None:
    """Delete the weights of the encoders that cells have tuned, when every model that needs them has its cells."""
    for weights in stages_folder(comparison.path).glob("*/*/*"):
        if weights.name != STAGE_HISTORY and weights.is_file():
            weights.unlink()


def _counting(todo: int, total: int, progress: Progress) -> Callable[[CellKey], None]:
    """Return a function that reports the progress of each cell, with an estimate of the time left."""
    started, done = time.monotonic(), 0
    progress("cells", total - todo, total)

    def count(_: CellKey) -> None:
        nonlocal done
        done += 1
        left = (time.monotonic() - started) / done * (todo - done)
        progress(f"cells, about {_duration(left)} left" if done < todo else "cells", total - todo + done, total)

    return count


def _duration(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
