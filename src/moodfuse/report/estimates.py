"""Scores with their intervals, as a report shows them."""

from __future__ import annotations

from moodfuse.records.metrics import EstimatedScores
from moodfuse.records.results import LabelRow, MeanScore, PairRow
from moodfuse.report.document import Estimate


def run_estimates(scores: EstimatedScores | None) -> dict[str, Estimate]:
    """Return every score of a run by name; nothing if the run has no scores yet."""
    if scores is None:
        return {}
    found = {}
    for name, value in scores.values().items():
        low, high = scores.intervals.get(name, (None, None))
        found[name] = Estimate(value, low, high)
    return found


def mean_estimate(score: MeanScore) -> Estimate:
    """Return a score of a comparison's row: the mean over seeds."""
    return Estimate(score.value, score.low, score.high)


def label_estimate(label: LabelRow) -> Estimate:
    """Return the F1 of a label in a comparison's row."""
    return Estimate(label.f1, label.low, label.high)


def difference_estimate(pair: PairRow) -> Estimate:
    """Return the score of the first model minus that of the second."""
    return Estimate(pair.difference, pair.low, pair.high, signed=True)
