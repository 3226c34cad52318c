"""The names of the scores, as a reader sees them."""

from __future__ import annotations

METRIC_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "weighted_f1": "weighted-F1"}


def metric_name(metric: str) -> str:
    """Return the name of a score: of those over all posts, and of a label's F1."""
    return METRIC_NAMES.get(metric) or metric.replace("f1_", "F1 of ", 1)
