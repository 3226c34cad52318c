"""From answers to their summary: which groups are shown, their shares, trends, differences and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from moodfuse.decide.answers import NOTHING, AnswerTable, Grouping
from moodfuse.decide.cautions import told_method, told_warnings
from moodfuse.decide.differences import REST, Difference, Pairing, corrected, differences
from moodfuse.decide.estimator import Estimator, Members, Tally
from moodfuse.decide.examples import Examples
from moodfuse.decide.prevalence import Shares
from moodfuse.decide.summary import LEAST_POSTS, ColumnShares, GroupShares, MoodSummary, ShareEstimate
from moodfuse.decide.times import Unit, chosen_unit, known_times, periods
from moodfuse.decide.words import SpeakingWord
from moodfuse.runtime.confusion import Confusion

#: Groups of a column that are shown, the largest; and of how many of them the trend is.
MOST_GROUPS, MOST_TRENDS = 12, 6


@dataclass(frozen=True, slots=True)
class _Periods:
    """The periods of a trend: each timed post's row and its period's number, and their names."""

    unit: str
    rows: np.ndarray
    numbers: np.ndarray
    names: list[str]


def summarise_answers(
    answers: AnswerTable, confusion: Mapping[str, Confusion], source: str, *, unit: Unit | None = None
) -> MoodSummary:
    """Return the summary of answers; `confusion` is what `held_out` tells of the model, empty where nothing is known.

    `unit` is that of the trend, by default as the times' span is long. Raises `DataError` for too many periods.
    """
    estimator = Estimator(answers, confusion)
    rows = np.arange(len(answers))
    everyone = estimator.tally(Members(rows, np.zeros(len(rows), np.int64), 1))
    total = _told(answers.labels, everyone, estimator.shares(everyone), [("", "", "")])[0]
    when = _periods(answers, unit)
    trend, change, steps = _trend(estimator, when, rows, "") if when else ([], [], [])
    columns, found = [], corrected(change) + corrected(steps)
    for grouping in answers.groupings:
        column, tested = _column(estimator, grouping, everyone, when)
        columns.append(column)
        found += tested
    return MoodSummary(
        source=source,
        labels=answers.labels,
        total=total,
        trend=trend,
        unit=when.unit if when else "",
        time_column=answers.time_column,
        columns=columns,
        differences=found,
        words=_words(estimator, rows),
        examples=answers.examples.get(("", ""), Examples((), ())),
        status=dict(answers.status.most_common()),
        needs_review=None if answers.needs_review is None else int(answers.needs_review.sum()),
        corrected=estimator.corrected,
        method=told_method(estimator),
        warnings=told_warnings(estimator, everyone),
    )


def _told(
    labels: tuple[str, ...], tally: Tally, shares: Shares, names: list[tuple[str, str, str]]
) -> list[GroupShares]:
    """Return groups as they are told, each with its (column, group, period)."""
    low, high = shares.bounds
    result = []
    for at, (by, group, time) in enumerate(names):
        posts, read = int(tally.posts[at]), int(tally.read[at])
        found = {
            label: ShareEstimate(
                float(shares.values[at, c]),
                float(low[at, c]),
                float(high[at, c]),
                float(tally.answered[at, c] / read),
            )
            for c, label in enumerate(labels)
            if read >= LEAST_POSTS
        }
        result.append(GroupShares(by, group, time, posts, read, found))
    return result


def _periods(answers: AnswerTable, unit: Unit | None) -> _Periods | None:
    if answers.seconds is None:
        return None
    rows = np.flatnonzero(known_times(answers.seconds))
    if not len(rows):
        return None
    chosen = unit or chosen_unit(answers.seconds[rows])
    numbers, names = periods(answers.seconds[rows], chosen)
    return _Periods(chosen, rows, numbers, names)


def _trend(
    estimator: Estimator, when: _Periods, rows: np.ndarray, by: str, group: str = ""
) -> tuple[list[GroupShares], list[Difference], list[Difference]]:
    """Return the shares of the posts `rows` by period, what changed from first to last, and from period to period.

    The first third of the periods is compared with the last: a change that stays is seen where no two periods tell.
    """
    there = np.isin(when.rows, rows) if len(rows) < len(estimator.answers) else slice(None)
    count, labels = len(when.names), estimator.answers.labels
    tally = estimator.tally(Members(when.rows[there], when.numbers[there], count))
    third = max(1, count // 3)
    ends = tally.pooled([slice(0, third), slice(count - third, count)])
    shares = estimator.shares(tally.beside(ends))
    told = _told(labels, tally, shares, [(by, group, name) for name in when.names])
    first, last = _span(when.names[:third]), _span(when.names[-third:])
    enough = count > 1 and ends.read.min() >= LEAST_POSTS
    overall = [Pairing(count, count + 1, first, last, group)] if enough else []
    large = [at for at in range(count) if tally.read[at] >= LEAST_POSTS]
    steps = [Pairing(a, b, when.names[a], when.names[b], group) for a, b in pairwise(large)]
    # Of two periods the step is all that there is.
    steps = [] if group or count < 3 else steps
    return told, differences(shares, overall, labels, when.unit), differences(shares, steps, labels, when.unit)


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _column(
    estimator: Estimator, grouping: Grouping, everyone: Tally, when: _Periods | None
) -> tuple[ColumnShares, list[Difference]]:
    answers, labels = estimator.answers, estimator.answers.labels
    sizes = np.bincount(grouping.groups, minlength=len(grouping.names))
    # Posts without a hashtag are no group of their own.
    order = [
        int(at)
        for at in np.argsort(-sizes, kind="stable")
        if grouping.column != "hashtag" or grouping.names[at] != NOTHING
    ]
    shown = order[:MOST_GROUPS]
    names = [grouping.names[at] for at in shown]
    number = np.full(len(grouping.names), -1)
    number[shown] = np.arange(len(shown))
    kept = number[grouping.groups] >= 0
    members = Members(grouping.rows[kept], number[grouping.groups[kept]], len(shown))
    tally = estimator.tally(members)
    rest = tally.rest(everyone)
    shares = estimator.shares(tally.beside(rest))
    groups = _told(labels, tally, shares, [(grouping.column, name, "") for name in names])
    pairs = [
        Pairing(len(shown) + at, at, REST, name)
        for at, name in enumerate(names)
        if min(tally.read[at], rest.read[at]) >= LEAST_POSTS
    ]
    found = corrected(differences(shares, pairs, labels, grouping.column))
    trends, words, changes = {}, {}, list[Difference]()
    for at, name in enumerate(names):
        rows = members.rows[members.groups == at]
        words[name] = _words(estimator, rows)
        if when and at < MOST_TRENDS:
            trends[name], change, _ = _trend(estimator, when, rows, grouping.column, name)
            changes += change
    examples = {name: answers.examples[key] for name in names if (key := (grouping.column, name)) in answers.examples}
    more = len(order) - len(shown)
    more_posts = int(sizes[order[MOST_GROUPS:]].sum()) if more else 0
    return ColumnShares(grouping.column, groups, trends, words, examples, more, more_posts), found + corrected(changes)


def _words(estimator: Estimator, rows: np.ndarray) -> dict[str, list[SpeakingWord]]:
    answers = estimator.answers
    read = rows[answers.read[rows]]
    speaking = answers.words.speaking(read, estimator.predicted, len(answers.labels))
    return dict(zip(answers.labels, speaking, strict=True))
