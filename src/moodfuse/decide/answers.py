"""Answers in, columns of numbers out: a file of answers is read once, post by post, and no text of it is held."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moodfuse.data.formats.base import Role
from moodfuse.data.languages import BARE, identify_language
from moodfuse.data.posts import UNREAD, Post
from moodfuse.data.text import clean
from moodfuse.decide.answer_columns import (
    AnswerColumns,
    find_answer,
    find_column,
    number,
    parts,
    role_columns,
)
from moodfuse.decide.examples import MOST_GROUPS, Examples, Extremes
from moodfuse.decide.times import NAMES, Times
from moodfuse.decide.words import HASHTAG, CountedWords, Words
from moodfuse.errors import DataError

#: What a group is called whose posts have nothing in the column.
NOTHING = "(none)"
_UNREAD = frozenset(map(str, UNREAD))
_LONGEST = 80  # characters of a group's name
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of answers: shares by these columns, and by the time in that one."""

    by: tuple[str, ...] = ()
    time: str | None = None
    #: whether a column of times is needed
    timed: bool = False
    #: which columns are named for text and image, where names do not tell
    columns: Mapping[Role, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of a column: `names`, and pairs of a post's row and its group's number; a post may have several."""

    column: str
    names: list[str]
    rows: NDArray[np.int64]
    groups: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """The answers to N posts. Rows count from 0."""

    labels: tuple[str, ...]
    #: (N, C)
    probabilities: NDArray[np.float32]
    #: what was read of each post, a place in `used_names`, (N,)
    used: NDArray[np.int64]
    used_names: list[str]
    #: whether the answer is about something that was read, (N,)
    read: NDArray[np.bool_]
    #: whether it is marked for review, (N,); `None` where that column is gone
    needs_review: NDArray[np.bool_] | None
    status: Counter[str]
    groupings: list[Grouping]
    #: seconds since 1970, (N,), and the column that they stand in
    seconds: NDArray[np.int64] | None
    time_column: str
    #: how many values of that column are no time
    bad_times: int
    words: CountedWords
    #: by column and group; ("", "") has those of all posts
    examples: dict[tuple[str, str], Examples]

    def __len__(self) -> int:
        return len(self.read)


def read_answers(posts: Iterable[Post], question: Question, where: str) -> AnswerTable:
    """Read all answers, whose columns stand in `Post.fields`. `where` is their source, for error messages.

    Raises `DataError` for no posts, no answers, a column that is not there, and for probabilities that are none.
    """
    collector: AnswerCollector | None = None
    for post in posts:
        if collector is None:
            collector = AnswerCollector(post.fields or {}, question, where)
        collector.add(post)
    if collector is None:
        raise DataError(f"{where}: expected answers, found no row; give what `moodfuse predict` wrote")
    return collector.finish()


class AnswerCollector:
    """Collects answers post by post; `fields` are those of the first, and the errors are those of `read_answers`."""

    def __init__(self, fields: Mapping[str, Any], question: Question, where: str) -> None:
        self._where = where
        self._answer: AnswerColumns = find_answer(fields, where)
        self._labels = tuple(self._answer.probabilities)
        self._values: list[list[float]] = []
        self._tables: list[NDArray[np.float32]] = []
        self._used, self._usednumbers = array("q"), dict[str, int]()
        self._read, self._review = array("b"), array("b")
        self._status = Counter[str]()
        self._time = _time_column(fields, question, where)
        self._times = Times(f"{where}: column {self._time!r}") if self._time else None
        self._groups = [_Groups(column, _values_of(column, fields, where)) for column in question.by]
        self._words = Words()
        self._image = next(iter(role_columns(fields, question.columns, where)["image"]), "")
        self._extremes: dict[tuple[str, str], Extremes] = {("", ""): Extremes(len(self._labels))}

    def add(self, post: Post) -> None:
        """Take in an answer: a post whose `fields` hold it."""
        fields, answer = post.fields or {}, self._answer
        row = len(self._read)
        values = list(map(number, answer.values(fields) or self._labels))
        self._values.append(values)
        status = parts(fields.get(answer.status)) if answer.status else ["ok"]
        self._status.update(status)
        read = _UNREAD.isdisjoint(status)
        self._read.append(read)
        used = "|".join(sorted(parts(fields.get(answer.used)))) if answer.used else ""
        self._used.append(self._usednumbers.setdefault(used, len(self._usednumbers)))
        if answer.needs_review:
            self._review.append(str(fields.get(answer.needs_review)).lower() in ("true", "1"))
        if self._times is not None:
            self._times.add(fields.get(self._time))
        keys = [("", "")]
        for groups in self._groups:
            keys += groups.add(row, post)
        self._words.add(post.text)
        if read:
            self._keep(keys, post, values)
        if len(self._values) >= _CHUNK:
            self._flush()

    def _keep(self, keys: list[tuple[str, str]], post: Post, values: list[float]) -> None:
        confidence = max(values)
        place = values.index(confidence)
        for key in keys:
            extremes = self._extremes.get(key)
            if extremes is None:
                if len(self._extremes) > MOST_GROUPS * len(self._groups):
                    continue
                extremes = self._extremes[key] = Extremes(len(self._labels))
            extremes.add(place, confidence, post, self._labels[place], self._image)

    def _flush(self) -> None:
        """Turn the last posts' probabilities into numbers, and check that they are some."""
        start, width = sum(map(len, self._tables)), len(self._labels)
        table = np.array(self._values, dtype=np.float32).reshape(-1, width)
        with np.errstate(invalid="ignore"):
            good = (table >= 0).all(1) & (np.abs(table.sum(1) - 1) < 0.02)
        if not good.all():
            at = int(np.argmin(good))
            raise DataError(
                f"{self._where} row {start + at + 1}: expected probabilities of {', '.join(self._labels)} that sum to "
                f"1, found {', '.join(map(str, self._values[at]))}; give what `moodfuse predict` wrote, whole"
            )
        self._tables.append(table)
        self._values = []

    def finish(self) -> AnswerTable:
        """Return everything that was taken in."""
        self._flush()
        seconds, bad = self._times.finish() if self._times is not None else (None, 0)
        review = np.frombuffer(self._review, dtype=np.int8) != 0 if self._answer.needs_review else None
        return AnswerTable(
            self._labels,
            np.concatenate(self._tables),
            np.frombuffer(self._used, dtype=np.int64),
            list(self._usednumbers),
            np.frombuffer(self._read, dtype=np.int8) != 0,
            review,
            self._status,
            [groups.finish() for groups in self._groups],
            seconds,
            self._time,
            bad,
            self._words.finish(),
            {key: extremes.finish() for key, extremes in self._extremes.items()},
        )


class _Groups:
    """Collects the groups of a column."""

    def __init__(self, column: str, values_of: Callable[[Post], list[str]]) -> None:
        self._column, self._values_of = column, values_of
        self.numbers: dict[str, int] = {}
        self._rows, self._groups = array("q"), array("q")

    def add(self, row: int, post: Post) -> list[tuple[str, str]]:
        """Take a post, and return the keys of its groups."""
        names = self._values_of(post)
        for name in names:
            self._rows.append(row)
            self._groups.append(self.numbers.setdefault(name, len(self.numbers)))
        return [(self._column, name) for name in names]

    def finish(self) -> Grouping:
        rows, groups = (np.array(values, dtype=np.int64) for values in (self._rows, self._groups))
        return Grouping(self._column, list(self.numbers), rows, groups)


def _values_of(column: str, fields: Mapping[str, Any], where: str) -> Callable[[Post], list[str]]:
    """Return what tells the groups of a post: a column, else its hashtags or its language."""
    there = {name.strip().lower() for name in fields}
    if column.strip().lower() in there or column not in ("hashtag", "language"):
        if column == "language" and "language" not in there and "lang" in there:
            column = "lang"
        name = find_column(column, fields, where, "--by")
        return lambda post: _names((post.fields or {}).get(name))
    if column == "hashtag":
        return lambda post: list(dict.fromkeys(HASHTAG.findall((post.text or "").lower()))) or [NOTHING]
    if "lang" in there:
        return _values_of("lang", fields, where)
    return lambda post: [identify_language(clean(post.text, BARE)) or "in doubt"] if post.text else [NOTHING]


def _names(value: Any) -> list[str]:
    """Return the groups that a cell names: several where it holds a list."""
    if isinstance(value, list | tuple | set):
        return list(dict.fromkeys(name for one in value for name in _names(one))) or [NOTHING]
    if value is None or value != value:
        return [NOTHING]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return [str(value).strip()[:_LONGEST] or NOTHING]


def _time_column(fields: Mapping[str, Any], question: Question, where: str) -> str:
    """Return the column of times: the one that is named, else a well-known one; "" where there is none."""
    if question.time:
        return find_column(question.time, fields, where, "--time")
    named = {name.strip().lower(): name for name in reversed(list(fields))}
    for known in NAMES:
        if known in named:
            return named[known]
    if question.timed:
        shown = ", ".join(repr(name[:40]) for name in list(fields)[:8])
        raise DataError(f"{where}: expected a column of times, found {shown}; say which it is: --time COLUMN")
    return ""
