"""Hyper-parameter search inside a cell's training folds, with Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import optuna
from optuna.trial import TrialState

from moodfuse.config import Config
from moodfuse.errors import DivergedError
from moodfuse.learn.search.space import first_points, search_space, with_settings
from moodfuse.records.cells import CellTrial, Grid, TrialLog
from moodfuse.records.record import Number

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Fitted(Protocol):
    """A finished training: its validation score (higher is better) and the seconds that it took."""

    @property
    def score(self) -> float: ...

    @property
    def seconds(self) -> float: ...


_F = TypeVar("_F", bound=Fitted)


def tune(
    fit: Callable[[Config], _F], config: Config, trials: int, grid: Grid | None = None, log: TrialLog | None = None
) -> tuple[_F, list[CellTrial]]:
    """Fit `trials` configurations; return the fit with the best validation score, and all trials.

    The first trial takes the configuration's own values; the others are drawn by TPE (Bergstra et al. 2011), seeded.
    With a `grid`, each of its points is a trial instead. No trial is pruned: every model gets the same number of whole
    fits. A trial that diverges has no score; if all diverge, the last trial's `DivergedError` is raised. Trials that
    `log` knows are not fitted again, except the best of all.
    """
    known = log.read() if log else {}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=config.seed))
    points, space = first_points(config, grid), search_space(config, grid)
    for point in points:
        study.enqueue_trial(point)
    trials = len(points) if grid else trials
    best: _F | None = None
    tried: list[CellTrial] = []
    for number in range(trials):
        trial = study.ask()
        settings = {setting.key: setting.draw(trial) for setting in space}
        ended = known.get(number)
        if ended is None or ended.settings != settings:
            try:
                fitted = fit(with_settings(config, settings))
            except DivergedError:
                if number + 1 == trials and all(one.score is None for one in tried):
                    raise
                ended = CellTrial(number=number, settings=settings, score=None, seconds=None)
            else:
                seconds = round(fitted.seconds, 3)
                ended = CellTrial(number=number, settings=settings, score=fitted.score, seconds=seconds)
                best = fitted if not tried or fitted.score > _best(tried)[0] else best
            if log:
                log.add(ended)
        study.tell(trial, ended.score, state=TrialState.FAIL if ended.score is None else None)
        tried.append(ended)
    highest, found = _best(tried)
    if best is None or best.score < highest:  # the best was fitted before an interruption
        best = fit(with_settings(config, found))
    return best, tried


def _best(trials: Sequence[CellTrial]) -> tuple[float, Mapping[str, Number]]:
    """Return the highest score, of several equal ones the first, and its settings; without a score, minus infinity."""
    scored = [(trial.score, trial.settings) for trial in trials if trial.score is not None]
    return max(scored, key=lambda one: one[0], default=(-math.inf, {}))
