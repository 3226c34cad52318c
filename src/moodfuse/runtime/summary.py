"""What was predicted, in counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moodfuse.runtime.predictor import Prediction


@dataclass(slots=True)
class Summary:
    """What was predicted: counts by label and by status, and how many answers to check by hand."""

    posts: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    status: Counter[str] = field(default_factory=Counter)
    needs_review: int = 0

    def add(self, prediction: Prediction) -> None:
        """Count one more prediction."""
        self.posts += 1
        self.labels[prediction.label] += 1
        self.status.update(map(str, prediction.status))
        self.needs_review += prediction.needs_review

    def merge(self, other: Summary) -> None:
        """Add another summary's counts."""
        self.posts += other.posts
        self.labels += other.labels
        self.status += other.status
        self.needs_review += other.needs_review

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON holds them."""
        counts = {"posts": self.posts, "labels": dict(self.labels), "status": dict(self.status)}
        return counts | {"needs_review": self.needs_review}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Summary:
        """Return the counts that `as_json` gave. Raises `KeyError` or `TypeError` for anything else."""
        labels, status = Counter(value["labels"]), Counter(value["status"])
        return cls(int(value["posts"]), labels, status, int(value["needs_review"]))
