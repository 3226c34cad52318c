"""Summarise: what `moodfuse predict` wrote in, shares with intervals, trends and differences out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from moodfuse import files
from moodfuse.data.formats.base import PREDICTING, Reading, Role
from moodfuse.data.formats.objects import object_name
from moodfuse.data.formats.readers import count_posts, stream_posts
from moodfuse.decide.answers import AnswerTable, Question, read_answers
from moodfuse.decide.model import held_out
from moodfuse.decide.summarising import summarise_answers
from moodfuse.decide.summary import MoodSummary
from moodfuse.decide.times import UNITS, Unit
from moodfuse.errors import ConfigError
from moodfuse.progress import Progress, mute, silent
from moodfuse.runtime.confusion import Confusion
from moodfuse.workflows.answered import answering_bundle, counted, with_probabilities

#: Columns that posts are grouped by at once.
MOST_COLUMNS = 3
#: What a summary can be written as, by the ending of a file's name.
ENDINGS: tuple[str, ...] = ("html", "md", "csv", "json")


def summarise(
    answers: Any,
    *,
    by: str | Sequence[str] = (),
    time: str | None = None,
    bundle: str | Path | None = None,
    columns: Mapping[Role, str] | None = None,
    reading: Reading = PREDICTING,
    progress: Progress = silent,
) -> MoodSummary:
    """Return how often each label is among posts, from the answers that `moodfuse predict` wrote, with intervals.

    `answers` is a path, a data frame or whatever else `read_posts` takes, with the columns of the answers. `by` names
    up to three columns, `hashtag` and `language` among them, and a unit from hour to year (by default as the span is
    long): `"week,brand"`. `time` is the column of times, by default one with a well-known name. `bundle` gave the
    answers; by default the model that moodfuse brings, where the answers can be its own. Raises `DataError` where
    there are no answers, no such column or no times, `ConfigError` for `by`, `BundleError` for another bundle.
    """
    names, unit = _asked(by)
    source: Any = with_probabilities(Path(answers)) if isinstance(answers, str | Path) else answers
    where = str(source) if isinstance(source, Path) else object_name(source)
    how = replace(reading, fields=True, answers=True, notify=mute, columns=columns or reading.columns)
    posts = counted(stream_posts(source, how), count_posts(source, how), progress)
    read = read_answers(posts, Question(names, time, unit is not None or time is not None, how.columns), where)
    return summarise_answers(read, _confusion(read, bundle, where), where, unit=unit)


def write_summary(summary: MoodSummary, path: Path, *, images: Path | None = None) -> None:
    """Write a summary as its name says: .html, .md, .csv or .json. Raises `ConfigError` for another ending.

    `images` is the folder that the paths of images start from, by default that of the answers.
    """
    ending = summary_format(path)
    if ending == "json":
        content = json.dumps(summary.as_json(), ensure_ascii=False, indent=1) + "\n"
    elif ending == "csv":
        content = files.csv_text(summary.rows())
    else:
        content = _page(ending)(summary, images)
    files.write_bytes(path, content.encode("utf-8", "replace"))


def summary_format(path: Path) -> str:
    """Return what a summary of that name is written as. Raises `ConfigError` for an ending that is none."""
    ending = path.suffix.lower().removeprefix(".")
    ending = {"htm": "html", "markdown": "md"}.get(ending, ending)
    if ending not in ENDINGS:
        raise ConfigError(f"{path}: expected a name that ends in .{', .'.join(ENDINGS)}, found {path.suffix!r}")
    return ending


def _page(ending: str) -> Callable[[MoodSummary, Path | None], str]:
    from moodfuse.report.markdown import markdown
    from moodfuse.report.page import document_page
    from moodfuse.report.summary import summary_document

    written = document_page if ending == "html" else markdown
    return lambda summary, images: written(summary_document(summary, images))


def _asked(by: str | Sequence[str]) -> tuple[tuple[str, ...], Unit | None]:
    """Return the columns and the unit of time that are asked for."""
    given = by.split(",") if isinstance(by, str) else list(by)
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    units: list[Unit] = [unit for unit in UNITS if unit in names]
    if len(units) > 1:
        raise ConfigError(f"--by: expected one unit of time, found {' and '.join(units)}; name one")
    columns = tuple(name for name in names if name not in UNITS)
    if len(columns) > MOST_COLUMNS:
        raise ConfigError(f"--by: expected {MOST_COLUMNS} columns at most, found {len(columns)}; ask in several runs")
    return columns, units[0] if units else None


def _confusion(answers: AnswerTable, bundle: str | Path | None, where: str) -> dict[str, Confusion]:
    """Return how the model's held-out posts were answered; nothing where it is not known which model it was."""
    found = answering_bundle(answers, bundle, where)
    return {} if found is None else held_out(found.manifest)
