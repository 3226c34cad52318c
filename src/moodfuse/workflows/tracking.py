"""Trackers: a finished run, comparison or search is published from its files, never half of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from moodfuse.errors import ConfigError, DataError, MissingExtraError
from moodfuse.records.comparison import is_comparison, read_comparison
from moodfuse.records.run import is_run, read_run
from moodfuse.records.search import is_search, read_search
from moodfuse.workflows.reporting import write_report

if TYPE_CHECKING:
    from moodfuse.learn.fit.trackers import Tracked

_Tracker = Literal["mlflow", "wandb", "tensorboard"]


def require_tracker(tracker: str | None) -> None:
    """Raise `ConfigError` for an unknown tracker, `MissingExtraError` if its package is not installed."""
    if tracker is None:
        return
    if tracker not in get_args(_Tracker):
        raise ConfigError(f"--track: expected {', '.join(get_args(_Tracker))}, found {tracker!r}; name one of them")
    if find_spec(tracker) is None:
        raise MissingExtraError(f"--track {tracker} needs {tracker}, which is not installed; pip install {tracker}")


def track(path: Path, tracker: str) -> str:
    """Publish the run, comparison or search in `path` as a run of its own, and return where it is now.

    Settings, curves, scores with the ends of their 95 % intervals, and the report. `mlflow` goes to
    $MLFLOW_TRACKING_URI, by default mlflow.db here; `tensorboard` to the folder tensorboard; `wandb` to its service,
    or to a folder with WANDB_MODE=offline. Publishing again adds another run. Raises `DataError` if `path` is none
    of the three, and the errors of `require_tracker`.
    """
    require_tracker(tracker)
    from moodfuse.learn.fit.trackers import publish

    return publish(tracker, _tracked(path))


def _tracked(path: Path) -> Tracked:
    if is_comparison(path):
        return _tracked_comparison(path)
    if is_search(path):
        return _tracked_search(path)
    if is_run(path):
        return _tracked_run(path)
    raise DataError(f"{path}: expected the folder of a run, a comparison or a search, found none")


def _tracked_run(path: Path) -> Tracked:
    from moodfuse.learn.fit.trackers import Tracked

    run = read_run(path)
    scores: dict[str, float] = {}
    if test := run.metrics and run.metrics.test:
        for name, value in test.values().items():
            scores |= _with_ends(name, value, *test.intervals[name])
    return Tracked(run.name, run.config.flat(), run.histories.get("", []), scores, _reports(path))


def _tracked_comparison(path: Path) -> Tracked:
    from moodfuse.learn.fit.trackers import Tracked

    comparison = read_comparison(path)
    scores: dict[str, float] = {}
    for row in comparison.rows:
        for name, score in row.overall().items():
            scores |= _with_ends(f"{row.arm}/{name}", score.value, score.low, score.high)
    settings = comparison.plan.settings() if comparison.plan else {}
    return Tracked(comparison.name, settings, [], scores, _reports(path))


def _tracked_search(path: Path) -> Tracked:
    from moodfuse.learn.fit.trackers import Tracked

    search = read_search(path)
    # A step is a trial: its score, and the settings that were tried.
    trials = [{"score": trial.score, **trial.settings} for trial in search.trials]
    steps = [{key: float(value) for key, value in row.items() if value is not None} for row in trials]
    scores = {"best": search.summary.score} if search.summary else {}
    settings = search.summary.best.flat() if search.summary else search.config.flat()
    return Tracked(path.resolve().name, settings, steps, scores, _reports(path))


def _with_ends(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _reports(path: Path) -> list[Path]:
    return [write_report(path, format=kind) for kind in ("html", "md")]
