"""The five course reports as data: a file in `original/` a report, with its systems, settings, scores and traps."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from moodfuse.config import Section
from moodfuse.errors import ConfigError, suggest
from moodfuse.settings import load_yaml

#: Encoders of the report, from a model hub, or those that come with the package.
WhoseEncoders = Literal["packaged", "original"]
#: As reported in `full`, what two idle cores do in about 40 minutes in `cut`, in minutes in `quick`.
BudgetName = Literal["quick", "cut", "full"]


class Reported(Section):
    """A system of a report: its recipe, what the report sets beside it, what it scored, and what was wrong there."""

    recipe: str
    settings: dict[str, Any] = Field({})
    #: the values that the report tried of each setting
    grid: dict[str, tuple[float, ...]] = Field({})
    #: scores by name, `accuracy` and `macro_f1`
    reported: dict[str, float] = Field({})
    #: what the report says in place of a score
    said: str = ""
    trap: str


class Budget(Section):
    """How much is run: cells of five, seeds, posts (0: all), settings over the report's, fewer values of its grid."""

    folds: int = Field(5, ge=1, le=5)
    seeds: int = Field(1, ge=1)
    posts: int = Field(0, ge=0)
    settings: dict[str, Any] = Field({})
    grid: dict[str, tuple[float, ...]] = Field({})


class CourseReport(Section):
    """A course report. `silent`: what it does not say; `changed`: what is done otherwise here, beside the traps."""

    name: str
    title: str
    about: str
    split: str
    encoders: dict[str, str]
    settings: dict[str, Any]
    silent: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    systems: dict[str, Reported]
    cut: Budget = Budget()
    quick: Budget = Budget()

    def layers(self, system: str, encoders: WhoseEncoders) -> list[dict[str, Any]]:
        """Return a system's settings over its recipe, lowest layer first."""
        chosen: list[dict[str, Any]] = [{"model": dict(self.encoders)}] if encoders == "original" else []
        return [*chosen, self.settings, self.systems[system].settings]

    def budget(self, name: BudgetName) -> Budget:
        """Return how much is run."""
        if name == "full":
            return Budget(seeds=3)
        return self.cut if name == "cut" else self.quick.model_copy(update={"folds": 2, "posts": 300})


@cache
def course_reports() -> dict[str, CourseReport]:
    """Return the reports by name: s0 to s4."""
    root = Path(str(files("moodfuse.learn.recipes"))) / "original"
    return {
        path.stem: CourseReport.model_validate({"name": path.stem, **load_yaml(path)})
        for path in sorted(root.glob("*.yaml"))
    }


def find_report(name: str) -> CourseReport:
    """Return the report called `name`, s0 to s4 or its title. Raises `ConfigError` with the nearest names otherwise."""
    known = course_reports() | {report.title: report for report in course_reports().values()}
    if name not in known:
        raise ConfigError(suggest(name, known, what="report"))
    return known[name]


def fewer_values(
    grid: dict[str, tuple[float, ...]], kept: dict[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """Return a grid with the values of `kept` for the settings that it holds."""
    return {key: kept.get(key, values) for key, values in grid.items()}
