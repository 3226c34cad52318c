"""Reproduce a course report: train its systems and ablations, and write what it said beside what is found here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse.config import Config
from moodfuse.data.formats.base import TRAINING, Reading
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split
from moodfuse.errors import ConfigError, DataError
from moodfuse.progress import Notify, Progress, mute, silent
from moodfuse.records.cells import CellKey
from moodfuse.records.claim import Claim
from moodfuse.records.comparison import ComparisonFolder, load_comparison, read_comparison
from moodfuse.records.record import write_record
from moodfuse.records.reproduction import Reproduction, ReproductionFolder
from moodfuse.workflows.comparison.arms import gather
from moodfuse.workflows.comparison.cells import forget_tuned
from moodfuse.workflows.comparison.run import Effort, compare_models
from moodfuse.workflows.extras import require_training
from moodfuse.workflows.reproduction.answers import predicting, unlabelled_posts, write_submission, write_wrong
from moodfuse.workflows.reproduction.plan import Reproducing
from moodfuse.workflows.reproduction.results import build_reproduction
from moodfuse.workflows.training import RunResult, train, write_run_report

_COMPARISON = "comparison"


@dataclass(frozen=True, slots=True)
class ReproductionResult:
    """A finished reproduction: its folder and its record."""

    folder: ReproductionFolder
    record: Reproduction


def reproduce(
    name: str,
    data: Any,
    *,
    encoders: str = "packaged",
    budget: str = "cut",
    output: Path | None = None,
    overrides: Sequence[Mapping[str, Any]] = (),
    reading: Reading = TRAINING,
    workers: int | None = None,
    progress: Progress = silent,
    notify: Notify = mute,
) -> ReproductionResult:
    """Run the systems and ablations of a course report on `data` into `output`; the same call again continues.

    `name` is s0 to s4 or a title of `course_reports`. `encoders`: packaged, or original from a model hub. `budget`:
    quick (300 posts), cut (what a small machine can do) or full (as reported). Every score is on posts that the
    training never saw. The best fusion is then trained by itself, on the posts and with the tuned encoders of its first
    cell, and answers the unlabelled posts of `data`. Raises `ConfigError` for an unknown name and for a folder that
    holds another reproduction.
    """
    require_training()
    from moodfuse.learn.recipes.course_reports import find_report

    asked = Reproducing(
        find_report(name),
        _one_of("encoders", encoders, "packaged", "original"),
        _one_of("budget", budget, "quick", "cut", "full"),
        overrides,
    )
    folder = ReproductionFolder(output or Path("reproductions") / default_name(asked))
    given = read_posts(data, reading)
    posts = asked.posts(given)
    if not len(posts):
        raise DataError(f"{given.source}: no post has a label; a reproduction trains on labelled posts")
    cut = asked.cut(len(posts), len(given.labelled()))
    notify(f"{asked.report.name}, {asked.report.title}: {', '.join(cut) or 'as reported'}")
    models = asked.models()
    run = Effort(asked.budget.seeds, asked.budget.folds, workers=workers, keep_tuned=True)
    done = compare_models(
        models,
        posts,
        run,
        Claim("comparison", folder.path, _COMPARISON, elsewhere="another folder with -o"),
        progress=progress,
        notify=notify,
    )
    record = build_reproduction(asked, read_comparison(done.path), done.results, cut)
    best = _best_fusion(record)
    comparison = load_comparison(done.path)
    write_wrong(folder.wrong, gather(comparison), best, posts)
    config = _chosen_config(record, best, {model.name: model.config for model in models}[best])
    trained = _train_alone(folder, comparison, best, config, posts, progress, notify)
    record = _answer(folder, record, trained, unlabelled_posts(data, predicting(reading)), progress, notify)
    write_record(folder.results, record)
    from moodfuse.workflows.reproduction.pages import write_pages

    write_pages(folder, record, read_comparison(done.path), trained.run)
    return ReproductionResult(folder, record)


def default_name(asked: Reproducing) -> str:
    """Return the folder's name: s0, or s0-quick-original ..."""
    parts = [
        asked.report.name,
        asked.budget_name if asked.budget_name != "cut" else "",
        asked.encoders.removeprefix("packaged"),
    ]
    return "-".join(part for part in parts if part)


def _one_of(option: str, value: str, *allowed: str) -> Any:
    if value not in allowed:
        raise ConfigError(f"--{option}: expected {' or '.join(allowed)}, found {value!r}")
    return value


def _best_fusion(record: Reproduction) -> str:
    return max(
        (system for system in record.systems if system.reads == "both"), key=lambda s: s.found["macro_f1"].value
    ).name


def _chosen_config(record: Reproduction, system: str, config: Config) -> Config:
    """Return a system's configuration with the point of its grid that most cells chose."""
    points = [point for point in record.points if point.system == system]
    if not points:
        return config
    from moodfuse.learn.search.space import with_settings

    return with_settings(config, max(points, key=lambda point: (point.chosen, point.score or 0.0)).settings)


def _train_alone(
    folder: ReproductionFolder,
    comparison: ComparisonFolder,
    system: str,
    config: Config,
    posts: Posts,
    progress: Progress,
    notify: Notify,
) -> RunResult:
    """Train the best fusion into a run, on the parts of the comparison's first cell, whose tuned encoders it takes."""
    from moodfuse.learn.compare.stages import tuned_in_cell
    from moodfuse.learn.compare.work import cell_split

    first = CellKey(config.seed, 0, system)
    cell_split(Split.load(comparison.split), first.fold).save(folder.split)
    tuned = tuned_in_cell(comparison.path, config, first.name)
    result = train(
        posts,
        config,
        name=system,
        runs=folder.runs,
        split_file=None if config.split.validation else folder.split,
        tuned=tuned,
        progress=progress,
        notify=notify,
    )
    forget_tuned(comparison)
    write_run_report(result.run, notify)
    return result


def _answer(
    folder: ReproductionFolder,
    record: Reproduction,
    trained: RunResult,
    unlabelled: Posts,
    progress: Progress,
    notify: Notify,
) -> Reproduction:
    """Answer the unlabelled posts, if there are any."""
    if not len(unlabelled):
        notify(f"{unlabelled.source}: no post without a label, so there is no {folder.submission.name}")
        return record
    submission = write_submission(folder.submission, trained.bundle, trained.run.path.name, unlabelled, progress)
    return record.model_copy(update={"submission": submission})
