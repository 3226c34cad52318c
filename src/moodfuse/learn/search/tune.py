"""Hyper-parameter search inside a cell's training folds, with Optuna."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import optuna
from optuna.trial import TrialState

from moodfuse.config import Config
from moodfuse.errors import DivergedError
from moodfuse.learn.search.space import first_points, search_space, with_settings
from moodfuse.records.cells import CellTrial, Grid

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Fitted(Protocol):
    """A finished training: its validation score (higher is better) and the seconds that it took."""

    @property
    def score(self) -> float: ...

    @property
    def seconds(self) -> float: ...


_F = TypeVar("_F", bound=Fitted)


def tune(
    fit: Callable[[Config], _F], config: Config, trials: int, grid: Grid | None = None
) -> tuple[_F, list[CellTrial]]:
    """Fit `trials` configurations; return the fit with the best validation score, and all trials.

    The first trial takes the configuration's own values; the others are drawn by TPE (Bergstra et al. 2011), seeded.
    With a `grid`, each of its points is a trial instead. No trial is pruned: every model gets the same number of whole
    fits. A trial that diverges has no score; if all diverge, the last trial's `DivergedError` is raised.
    """
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=config.seed))
    points, space = first_points(config, grid), search_space(config, grid)
    for point in points:
        study.enqueue_trial(point)
    trials = len(points) if grid else trials
    best: _F | None = None
    tried = []
    for number in range(trials):
        trial = study.ask()
        settings = {setting.key: setting.draw(trial) for setting in space}
        try:
            fitted = fit(with_settings(config, settings))
        except DivergedError:
            if best is None and number + 1 == trials:
                raise
            study.tell(trial, state=TrialState.FAIL)
            tried.append(CellTrial(number=number, settings=settings, score=None, seconds=None))
            continue
        study.tell(trial, fitted.score)
        seconds = round(fitted.seconds, 3)
        tried.append(CellTrial(number=number, settings=settings, score=fitted.score, seconds=seconds))
        if best is None or fitted.score > best.score:
            best = fitted
    assert best is not None  # there is at least one trial, and if all have diverged the last has raised
    return best, tried
