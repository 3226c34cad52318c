"""A study on disk: trials that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DatabaseError

from moodfuse.config import Config
from moodfuse.errors import ConfigError, DivergedError, MoodfuseError, OutputError, TrainingError, in_a_line
from moodfuse.learn.search.space import first_points, search_space, with_settings
from moodfuse.records.cells import Grid, Space
from moodfuse.records.claim import claims_folder
from moodfuse.records.search import SearchFolder, SearchTrial

optuna.logging.set_verbosity(optuna.logging.WARNING)
_PRUNER = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_ANSWERS, _REASON = "answers", "reason"


@contextmanager
def study_errors(folder: Path) -> Iterator[None]:
    """Raise `OutputError` for what SQLite and Optuna say of a study that cannot be used: no room, no right, damage."""
    try:
        yield
    except (DatabaseError, StorageInternalError) as error:
        reason = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        raise OutputError(
            f"{SearchFolder(folder).study}: cannot be used ({in_a_line(reason)}); trials that have ended are kept; "
            "make room, or write to another place"
        ) from None


class StoredStudy:
    """A study in an SQLite file that several processes work on; a trial whose process died is queued again.

    Each process holds a lock for the trial it runs. The operating system frees the lock when the process ends, even if
    it was killed, so a running trial with a free lock has been abandoned.
    """

    def __init__(self, folder: Path, config: Config, grid: Grid | None = None, space: Space | None = None) -> None:
        """With a `grid`, its points are the trials, and none is pruned; with a `space`, it is searched."""
        self._folder = folder
        self._config = config
        self._space = search_space(config, grid, space)
        points = first_points(config, grid, space)
        self._own = None if grid or with_settings(config, points[0]) != config else points[0]
        self._lock = FileLock(claims_folder(folder) / "study.lock")
        with self._lock:
            self._study = optuna.create_study(
                study_name="search",
                storage=f"sqlite:///{SearchFolder(folder).study.resolve()}",
                direction="maximize",
                pruner=optuna.pruners.NopPruner() if grid else _PRUNER,
                load_if_exists=True,
            )
            if not self._study.get_trials(deepcopy=False):
                for point in points:
                    self._study.enqueue_trial(point)

    @contextmanager
    def claim(self, trials: int) -> Iterator[Trial | None]:
        """Yield a trial to run, or `None` if `trials` of them have ended or are being run by other processes."""
        with self._lock:
            self._take_back()
            taken = sum(
                known.state in (*_ENDED, TrialState.RUNNING) for known in self._study.get_trials(deepcopy=False)
            )
            if taken >= trials:
                yield None
                return
            # Each trial has its own seed, whichever process draws it.
            self._study.sampler = optuna.samplers.TPESampler(seed=self._config.seed + taken, constant_liar=True)
            trial = self._study.ask()
            claim = self._claim(trial.number)
            claim.acquire()
        try:
            yield trial
        finally:
            claim.release()

    def run(self, trial: Trial, fit: Callable[[Config, Callable[[int, float], None]], tuple[float, list[int]]]) -> None:
        """Fit a trial's configuration; store its score and its answers.

        A trial that diverges, or whose settings do not go together, counts as pruned, and keeps the reason.

        `fit` gets the configuration and a function that each epoch reports its score to, and returns the score and the
        label id of every validation post.
        """
        settings = {setting.key: setting.draw(trial) for setting in self._space}

        def report(epoch: int, score: float) -> None:
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            score, answers = fit(with_settings(self._config, settings), report)
        except (optuna.TrialPruned, DivergedError, ConfigError) as error:  # run again, it would end so again
            if isinstance(error, MoodfuseError):
                trial.set_user_attr(_REASON, str(error))
            self._study.tell(trial, state=TrialState.PRUNED)
            return
        trial.set_user_attr(_ANSWERS, answers)
        self._study.tell(trial, score)

    def ended(self) -> int:
        """Return how many trials have ended, including pruned trials."""
        return sum(trial.state in _ENDED for trial in self._study.get_trials(deepcopy=False))

    def rows(self) -> list[SearchTrial]:
        """Return the trials that have ended, in the order in which they began."""
        keys = [setting.key for setting in self._space]
        return [
            SearchTrial(
                number=trial.number,
                state=trial.state.name.lower(),
                score=trial.value if trial.state == TrialState.COMPLETE else None,
                epochs=len(trial.intermediate_values),
                seconds=trial.duration.total_seconds() if trial.duration else None,
                settings={key: trial.params.get(key) for key in keys},
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in _ENDED
        ]

    def best(self) -> tuple[float, Config]:
        """Return the best score and its configuration. Raises `TrainingError` if no trial has a score yet."""
        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            pruned = self._study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
            reasons = [trial.user_attrs[_REASON] for trial in pruned if _REASON in trial.user_attrs]
            if reasons:
                raise TrainingError(
                    f"{self._folder}: none of {len(pruned)} trials has a score, the first for this reason: {reasons[0]}"
                )
            raise TrainingError(
                f"{self._folder}: no trial has a score yet; when the trials of other processes have ended, run the "
                "same command again, with more --trials"
            )
        best: FrozenTrial = self._study.best_trial
        return float(best.values[0]), with_settings(self._config, best.params)

    def first_and_best(self) -> tuple[list[int], list[int]] | None:
        """Return the answers at the configuration's own values and at the best; `None` without, or if they are one."""
        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        first = next((trial for trial in done if self._own is not None and trial.params == self._own), None)
        if first is None or (best := self._study.best_trial).number == first.number:
            return None
        found = [trial.user_attrs.get(_ANSWERS) for trial in (first, best)]
        return (found[0], found[1]) if found[0] and found[1] else None

    def importances(self) -> dict[str, float]:
        """Return each setting's share of the scores' variance (fANOVA, Hutter et al. 2014); empty below 4 trials."""
        done = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
        if len(done) < 4 or len({trial.value for trial in done}) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}

    def _take_back(self) -> None:
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            try:
                with self._claim(trial.number):
                    self._study.tell(trial.number, state=TrialState.FAIL)
                    if trial.params:
                        self._study.enqueue_trial(trial.params)
            except Timeout:  # a process is running it
                continue

    def _claim(self, number: int) -> FileLock:
        return FileLock(claims_folder(self._folder) / f"trial-{number}.lock", timeout=0)
