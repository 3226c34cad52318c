"""Differences between shares: stated only where a test stands, corrected for all that are shown together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from moodfuse.decide.prevalence import Shares
from moodfuse.evaluate.holm import holm

_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """The share of a label in b minus that in a, with its 95 % interval and its p-value, Holm-corrected.

    `by` is a column, or the unit of a trend: there a and b are periods or spans of them, of the posts in `group` (""
    for all), and else a is "the rest" and b a group.
    """

    by: str
    label: str
    a: str
    b: str
    share_a: float
    share_b: float
    low: float
    high: float
    p: float
    comparisons: int = 1
    group: str = ""

    @property
    def difference(self) -> float:
        return self.share_b - self.share_a

    @property
    def stands(self) -> bool:
        """Whether the test stands at the 5 % level, and the interval agrees."""
        return self.p < _LEVEL and (self.low > 0 or self.high < 0)

    def words(self) -> str:
        """Return what is to be said of a difference that stands: shares in percent, differences in points."""
        points, ends = 100 * abs(self.difference), sorted((100 * abs(self.low), 100 * abs(self.high)))
        interval = f"{points:.0f} points, {ends[0]:.0f} to {ends[1]:.0f}"
        if self.a != REST:
            return (
                f"{self.label} {'rose' if self.difference > 0 else 'fell'} from "
                f"{100 * self.share_a:.0f} to {100 * self.share_b:.0f} %"
                f"{f' in {self.group}' if self.group else ''} between {self.a} and {self.b} ({interval})"
            )
        return (
            f"{self.label} is {'more' if self.difference > 0 else 'less'} frequent in {self.b} than in the rest: "
            f"{100 * self.share_b:.0f} against {100 * self.share_a:.0f} % ({interval})"
        )


#: What all posts outside a group are called.
REST = "the rest"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two groups that are compared: their numbers among the shares, and their names."""

    a: int
    b: int
    name_a: str
    name_b: str
    group: str = ""


def differences(shares: Shares, pairings: Sequence[Pairing], labels: Sequence[str], by: str) -> list[Difference]:
    """Test every pair of groups for every label; the p-values are not corrected yet.

    A difference is compared with its standard deviation over the resamples, which all groups share where it is the
    model's held-out posts that vary.
    """
    found = []
    for pairing in pairings:
        drawn = shares.draws[:, pairing.b] - shares.draws[:, pairing.a]  # (B, C)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        spread = drawn.std(0)
        for at, label in enumerate(labels):
            a, b = float(shares.values[pairing.a, at]), float(shares.values[pairing.b, at])
            p = math.erfc(abs(b - a) / max(float(spread[at]), 1e-12) / math.sqrt(2))
            names = (pairing.name_a, pairing.name_b)
            ends = (float(low[at]), float(high[at]))
            found.append(Difference(by, label, *names, a, b, *ends, p, group=pairing.group))
    return found


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """Return differences that are shown together, with their p-values Holm-corrected for their number."""
    p_values = holm([one.p for one in found])
    return [replace(one, p=p, comparisons=len(found)) for one, p in zip(found, p_values, strict=True)]
