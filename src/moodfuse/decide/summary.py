"""The summary of answers: what is told of them, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moodfuse.decide.differences import Difference
from moodfuse.decide.examples import Example, Examples
from moodfuse.decide.words import SpeakingWord


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """The share of a label (0..1) with its 95 % interval; `counted` is the plain share of the answers."""

    value: float
    low: float
    high: float
    counted: float


@dataclass(frozen=True, slots=True)
class GroupShares:
    """The shares in a group of posts, by label; none where too few posts were read.

    `by` is the column that made the group ("" for all posts), `time` its period ("" for all times).
    """

    by: str
    group: str
    time: str
    posts: int
    read: int
    shares: Mapping[str, ShareEstimate]

    @property
    def too_small(self) -> bool:
        """Whether too few posts were read for shares, or so few that they may be anything within 30 points."""
        return not self.shares or any(share.high - share.low > WIDE for share in self.shares.values())


#: Read posts of a group from which on shares are told; and the width of an interval that tells next to nothing.
LEAST_POSTS, WIDE = 30, 0.3


@dataclass(frozen=True, slots=True)
class ColumnShares:
    """The groups of a column, the largest first, their trends, and what is not shown: further groups and their posts.

    `spoken_for` are, by group, the words that speak for each label.
    """

    column: str
    groups: list[GroupShares]
    trends: Mapping[str, list[GroupShares]]
    spoken_for: Mapping[str, Mapping[str, list[SpeakingWord]]]
    examples: Mapping[str, Examples]
    more_groups: int
    more_posts: int


@dataclass(frozen=True, slots=True)
class MoodSummary:
    """All that is told of the answers to a source of posts."""

    source: str
    labels: tuple[str, ...]
    total: GroupShares
    #: by period, all of them from the first to the last; empty without times
    trend: list[GroupShares]
    unit: str
    time_column: str
    columns: list[ColumnShares]
    differences: list[Difference]
    words: Mapping[str, list[SpeakingWord]]
    examples: Examples
    status: Mapping[str, int]
    needs_review: int | None
    #: whether the shares rest on how held-out posts were answered; how, in a sentence
    corrected: bool
    method: str
    #: what to be careful about, in sentences
    warnings: list[str]

    def standing(self) -> list[Difference]:
        """Return the differences whose test stands, the largest first."""
        return sorted((one for one in self.differences if one.stands), key=lambda one: -abs(one.difference))

    def all_groups(self) -> list[GroupShares]:
        """Return all groups: all posts, the trend, each column's groups and their trends."""
        found = [self.total, *self.trend]
        for column in self.columns:
            found += [*column.groups, *(one for trend in column.trends.values() for one in trend)]
        return found

    def rows(self) -> list[dict[str, str | int | float | None]]:
        """Return a row for each label of each group: its share with interval, and the plain share of its answers."""
        return [
            {"by": one.by, "group": one.group, "time": one.time, "label": label}
            | {"posts": one.posts, "read": one.read}
            | _numbers(one.shares.get(label))
            | {"too_small": str(one.too_small).lower()}
            for one in self.all_groups()
            for label in self.labels
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON holds it; images are left out."""
        return {
            "source": self.source,
            "labels": list(self.labels),
            "method": self.method,
            "corrected": self.corrected,
            "warnings": list(self.warnings),
            "posts": self.total.posts,
            "read": self.total.read,
            "status": dict(self.status),
            "needs_review": self.needs_review,
            "total": _group(self.total),
            "time": {"column": self.time_column, "unit": self.unit, "periods": list(map(_group, self.trend))},
            "by": [_column(column) for column in self.columns],
            "differences": [_difference(one) for one in self.differences],
            "words": _words(self.words),
            "examples": _examples(self.examples),
        }


def _numbers(share: ShareEstimate | None) -> dict[str, float | None]:
    names = ("value", "low", "high", "counted")
    found = {name: getattr(share, name) if share else math.nan for name in names}
    tidy = {name: round(value, 6) if math.isfinite(value) else None for name, value in found.items()}
    return {"share": tidy.pop("value"), **tidy}


def _group(one: GroupShares) -> dict[str, Any]:
    named = {name: value for name, value in (("group", one.group), ("time", one.time)) if value}
    shares = {label: _numbers(share) for label, share in one.shares.items()}
    return named | {"posts": one.posts, "read": one.read, "too_small": one.too_small, "shares": shares}


def _column(column: ColumnShares) -> dict[str, Any]:
    groups = [
        _group(one)
        | {
            "periods": list(map(_group, column.trends.get(one.group, []))),
            "words": _words(column.spoken_for.get(one.group, {})),
            "examples": _examples(column.examples.get(one.group, Examples((), ()))),
        }
        for one in column.groups
    ]
    more = {"groups": column.more_groups, "posts": column.more_posts}
    return {"column": column.column, "groups": groups, "not_shown": more}


def _difference(one: Difference) -> dict[str, Any]:
    numbers = {name: round(getattr(one, name), 6) for name in ("share_a", "share_b", "difference", "low", "high", "p")}
    names = {"by": one.by, "group": one.group, "label": one.label, "a": one.a, "b": one.b}
    return names | numbers | {"comparisons": one.comparisons, "stands": one.stands}


def _words(words: Mapping[str, list[SpeakingWord]]) -> dict[str, Any]:
    return {
        label: [{"word": word.text, "z": round(word.z, 3), "posts": word.posts} for word in found]
        for label, found in words.items()
    }


def _examples(examples: Examples) -> dict[str, Any]:
    def told(one: Example) -> dict[str, Any]:
        return {"id": one.id, "text": one.text, "label": one.label, "confidence": round(one.confidence, 6)}

    return {"surest": list(map(told, examples.surest)), "doubtful": list(map(told, examples.doubtful))}
