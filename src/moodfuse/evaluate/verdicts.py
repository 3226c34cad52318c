"""Verdicts on differences: paired tests of all pairs of systems, corrected for their number, and as sentences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moodfuse.errors import ConfigError
from moodfuse.evaluate.holm import holm
from moodfuse.evaluate.intervals import McNemar, PairedDifference, mcnemar, paired_difference
from moodfuse.evaluate.names import metric_name
from moodfuse.evaluate.resampling import Resampler

Verdict = Literal["beats", "loses to", "cannot be told apart"]
#: The systems of one modality: fusing pays if it beats both.
SINGLE = ("text", "image")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems on the same posts, a minus b, with p-values, uncorrected and Holm-corrected over all pairs."""

    a: str
    b: str
    bootstrap: PairedDifference
    p: float
    mcnemar: McNemar
    mcnemar_p: float
    comparisons: int
    level: float = 0.05

    @property
    def verdict(self) -> Verdict:
        """The verdict, by the corrected p-value of the bootstrap."""
        if self.p >= self.level:
            return "cannot be told apart"
        return "beats" if self.bootstrap.difference > 0 else "loses to"

    def turned(self) -> Pair:
        """Return the pair with a and b exchanged."""
        old = self.bootstrap
        turned = PairedDifference(old.metric, -old.difference, -old.high, -old.low, old.p_value)
        counts = McNemar(self.mcnemar.only_b, self.mcnemar.only_a, self.mcnemar.p_value)
        return Pair(self.b, self.a, turned, self.p, counts, self.mcnemar_p, self.comparisons, self.level)

    def words(self) -> str:
        """Return the verdict as a sentence, in points (hundredths)."""
        points, low, high = (100 * v for v in (self.bootstrap.difference, self.bootstrap.low, self.bootstrap.high))
        metric, other = metric_name(self.bootstrap.metric), spoken(self.b)
        if self.verdict == "beats":
            return f"{spoken(self.a)} beats {other} by {points:.1f} points {metric} ({low:.1f} to {high:.1f})"
        if self.verdict == "loses to":
            return f"{spoken(self.a)} falls behind {other} by {-points:.1f} points {metric} ({-high:.1f} to {-low:.1f})"
        beyond = f": not after correction for {self.comparisons} comparisons" if low > 0 or high < 0 else ""
        return (
            f"{spoken(self.a)} and {other} cannot be told apart here "
            f"({points:+.1f} points {metric}, {low:+.1f} to {high:+.1f}){beyond}"
        )


def spoken(name: str) -> str:
    """Return a system's name as used in a sentence."""
    return f"{name} alone" if name in SINGLE else name


def enough_resamples(comparisons: int) -> int:
    """Return how many resamples are needed so that a p-value can be significant after the correction."""
    # The smallest p-value is 2 / (resamples + 1), and Holm multiplies it by the number of comparisons: at the 5 % level
    # and with under 40 resamples per comparison, no difference could be significant.
    return max(2_000, min(20_000, 100 * comparisons), 60 * comparisons)


def compare_pairs(
    resampler: Resampler,
    draws: Mapping[str, NDArray[np.float64]],
    probabilities: Mapping[str, ArrayLike],
    *,
    metric: str = "macro_f1",
    level: float = 0.05,
) -> list[Pair]:
    """Test every pair of the systems in `probabilities`: paired bootstrap of `metric` (whose p decides), and McNemar.

    `draws` is the result of `resampler.draws`. `probabilities`, (N, C) of each system, are means over seeds, because
    McNemar's test needs a single answer per post. The p-values of each test are Holm-corrected over all pairs: the
    best system is known only afterwards, so comparing it with another is a choice among all pairs.
    """
    place = {name: resampler.names.index(name) for name in probabilities}
    observed = resampler.observed()[metric]
    tests: list[tuple[str, str, PairedDifference, McNemar]] = []
    for a, b in itertools.combinations(probabilities, 2):
        drawn = draws[metric][:, place[a]] - draws[metric][:, place[b]]
        difference = paired_difference(metric, float(observed[place[a]] - observed[place[b]]), drawn)
        counts = mcnemar(resampler.true, probabilities[a], probabilities[b], labels=resampler.labels)
        tests.append((a, b, difference, counts))
    by_bootstrap = holm([test[2].p_value for test in tests])
    by_mcnemar = holm([test[3].p_value for test in tests])
    return [
        Pair(a, b, difference, by_bootstrap[i], counts, by_mcnemar[i], len(tests), level)
        for i, (a, b, difference, counts) in enumerate(tests)
    ]


def find_pair(pairs: Sequence[Pair], a: str, b: str) -> Pair:
    """Return the pair of a and b, in this order."""
    for pair in pairs:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.b, pair.a) == (a, b):
            return pair.turned()
    raise ConfigError(f"verdicts: {a} and {b} were not compared")
