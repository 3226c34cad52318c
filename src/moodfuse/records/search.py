"""The folder of a search: `searches/NAME/`, its files, and whether a search may continue there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, JsonValue, TypeAdapter

from moodfuse import files
from moodfuse.config import Config
from moodfuse.records.cells import Grid, Space, Span
from moodfuse.records.claim import Claim
from moodfuse.records.configuration import StoredConfig, TrainedAlong
from moodfuse.records.environment import Environment, describe_environment
from moodfuse.records.record import Number, Record, read_record, write_record
from moodfuse.records.tolerant import Folder, real

Row = dict[str, str | int | float | None]


class SearchPlan(Record):
    """All of `plan.json`: the configuration to start from, and the posts."""

    config: StoredConfig
    data_sha256: str
    environment: Environment | None = None
    #: the values to try of each setting, if the search is a grid
    grid: dict[str, list[Number]] = Field({})
    #: the settings of a space of one's own, with their spans or choices
    space: dict[str, Span | list[Number]] = Field({})

    def settings(self) -> dict[str, JsonValue]:
        """Return the settings that must be the same to continue a search, with dotted names."""
        resolved = StoredConfig.from_config(self.config.resolved()).flat()
        grid: dict[str, JsonValue] = {f"grid {key}": list(values) for key, values in self.grid.items()}
        own = TypeAdapter(dict[str, JsonValue]).validate_python(self.model_dump(mode="json")["space"])
        return resolved | grid | {f"space {key}": value for key, value in own.items()}


class TrialCount(Record):
    """The numbers of trials that have ended, and that were asked for."""

    ended: int
    wanted: int


class Gain(Record):
    """By how much the best trial's macro-F1 exceeds the recipe's own on the same validation posts, with its interval.

    The best of many was chosen on these posts, so it is too high.
    """

    macro_f1: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.macro_f1:+.1f} points macro-F1 ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


class SearchSummary(Record):
    """All of `search.json`: the best trial, and each setting's share of the differences between trials."""

    trials: TrialCount
    monitor: str
    score: float
    importances: dict[str, float]
    config: StoredConfig
    best: StoredConfig
    data_sha256: str = ""
    split_sha256: str = ""
    #: corpora that trained along in every trial
    also_train: list[TrainedAlong] = Field([])
    #: none for a grid, and where the recipe's own values are the best
    gain: Gain | None = None


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """A trial that has ended: a row of `trials.csv`. A trial that was stopped early has no score."""

    number: int
    state: str
    score: float | None
    epochs: int
    seconds: float | None
    settings: dict[str, Number | None]

    @property
    def pruned(self) -> bool:
        """Whether it was stopped early."""
        return self.state == "pruned"


@dataclass(frozen=True, slots=True)
class SearchFolder:
    """The paths of a search."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def study(self) -> Path:
        """Optuna's SQLite file, which all processes of the search share."""
        return self.path / "study.db"

    @property
    def trials(self) -> Path:
        return self.path / "trials.csv"

    @property
    def importances(self) -> Path:
        return self.path / "importances.json"

    @property
    def best(self) -> Path:
        """The YAML for `moodfuse train --config`."""
        return self.path / "best.yaml"

    @property
    def summary(self) -> Path:
        return self.path / "search.json"


def open_search(
    searches: Path,
    name: str,
    config: Config,
    data_hash: str,
    grid: Grid | None = None,
    space: Space | None = None,
) -> SearchFolder:
    """Make the search's folder, or continue in it if it has the same configuration, grid and space on the same posts.

    Raises `ConfigError` if it holds another search, `DataError` if its posts are different.
    """
    claim = Claim("search", searches, name)
    search = SearchFolder(claim.folder)
    values = {key: list(axis) for key, axis in (grid or {}).items()}
    own = {key: entry if isinstance(entry, Span) else list(entry) for key, entry in (space or {}).items()}
    now = SearchPlan(config=StoredConfig.from_config(config), data_sha256=data_hash, grid=values, space=own)
    with claim.deciding():
        if not search.plan.is_file():
            claim.refuse_foreign()
            environment = describe_environment(data_hash)
            write_record(search.plan, now.model_copy(update={"environment": environment}))
            return search
    there = read_record(search.plan, SearchPlan)
    claim.check_posts(there.data_sha256, data_hash)
    claim.check_settings(there.settings(), now.settings())
    return search


def write_search(search: SearchFolder, summary: SearchSummary, trials: Sequence[SearchTrial], best: Config) -> None:
    """Write the result of a search; results of earlier commands are replaced."""
    files.write_text(search.best, best.to_yaml())
    files.write_csv(search.trials, trial_rows(trials))
    files.write_json(search.importances, summary.importances)
    write_record(search.summary, summary)


def trial_rows(trials: Sequence[SearchTrial]) -> list[Row]:
    """Return the rows of `trials.csv`, with the best score so far; a pruned trial has no score."""
    rows: list[Row] = []
    best: float | None = None
    for trial in trials:
        if trial.score is not None:
            best = trial.score if best is None else max(best, trial.score)
        facts: Row = {"number": trial.number, "state": trial.state, "score": trial.score, "epochs": trial.epochs}
        rows.append({**facts, "seconds": trial.seconds, **trial.settings, "best": best})
    return rows


@dataclass(frozen=True, slots=True)
class Search:
    """The content of a search's folder; plan and summary are `None` if they are missing."""

    path: Path
    summary: SearchSummary | None
    trials: list[SearchTrial]
    plan: SearchPlan | None
    missing: list[str]

    @property
    def config(self) -> StoredConfig:
        """The configuration that the search starts from."""
        known = self.summary or self.plan
        return known.config if known else StoredConfig({})


def is_search(folder: Path) -> bool:
    """Return whether `folder` is a search, finished or not."""
    search = SearchFolder(folder)
    return any(path.is_file() for path in (search.summary, search.trials, search.study))


def read_search(path: Path) -> Search:
    """Read the files of a search's folder; `missing` lists those that are absent or damaged."""
    search, folder = SearchFolder(path), Folder(path)
    summary = folder.record(search.summary.name, SearchSummary, "the result of the search")
    rows = folder.rows(search.trials.name, ["number"], "the trials")
    trials = [trial for row in rows if (trial := _trial(row)) is not None]
    return Search(path, summary, trials, folder.record(search.plan.name, SearchPlan), folder.missing)


_FACTS = ("number", "state", "score", "epochs", "seconds", "best")  # columns that are not settings


def _trial(row: dict[str, str]) -> SearchTrial | None:
    number = _number(row.get("number"))
    if not isinstance(number, int):
        return None
    settings = {key: _number(text) for key, text in row.items() if key not in _FACTS}
    epochs = int(real(row.get("epochs")) or 0)
    return SearchTrial(number, row.get("state", ""), real(row.get("score")), epochs, real(row.get("seconds")), settings)


def _number(text: str | None) -> Number | None:
    value = real(text)
    return int(value) if value is not None and text is not None and text.lstrip("-").isdecimal() else value
