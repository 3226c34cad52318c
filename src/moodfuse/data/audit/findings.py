"""What an audit has to say: findings, how grave each is, and which posts it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np


class Severity(StrEnum):
    """How grave a finding is."""

    #: training fails on it, or its scores would be false
    ERROR = "error"
    #: it costs scores, or flatters them: look before training
    WARNING = "warning"
    #: good to know
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd: in words, with what to do, and the posts concerned."""

    #: stable name of the check, for machines
    check: str
    severity: Severity
    #: how many of `total` are concerned (posts, texts, images or groups: `what` says which)
    count: int
    total: int
    #: one line, with number and share
    what: str
    #: what to do about it
    advice: str
    #: every post concerned
    ids: tuple[str, ...] = ()
    #: the same posts, those that belong together side by side
    groups: tuple[tuple[str, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON holds it, with all ids."""
        row = {name: getattr(self, name) for name in ("check", "severity", "count", "total", "what", "advice")}
        return (
            row | {"ids": list(self.ids)} | ({"groups": [list(group) for group in self.groups]} if self.groups else {})
        )


def share(count: int, total: int) -> str:
    """Return a share in words: "23.5 %", "under 0.1 %"."""
    percent = 100 * count / total if total else 0.0
    return "under 0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %"


def out_of(count: int, total: int, noun: str) -> str:
    """Return "1,061 of 4,511 texts (23.5 %)"."""
    return f"{count:,} of {total:,} {noun} ({share(count, total)})"


def are(count: int, one: str = "is", many: str = "are") -> str:
    """Return the verb that goes with a number."""
    return one if count == 1 else many


def flat(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the members of all groups, in order, each once."""
    return tuple(dict.fromkeys(id for group in groups for id in group))


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return smallest, 5 %, median, 95 % and largest; nothing for no values."""
    if not values:
        return {}
    found = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    return dict(zip(("min", "p5", "median", "p95", "max"), (round(float(value), 1) for value in found), strict=True))
