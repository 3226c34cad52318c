"""What the page tells of a whole batch: shares of each label with error bars, over time where the posts have times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moodfuse.data.posts import Post
from moodfuse.decide.answers import AnswerCollector, Question
from moodfuse.decide.model import held_out
from moodfuse.decide.summarising import summarise_answers
from moodfuse.errors import DataError
from moodfuse.runtime.answers import Layout
from moodfuse.runtime.bundle import Manifest
from moodfuse.runtime.predictor import Prediction

_WHERE = "the batch"


class Totals:
    """Collects the answers to a batch; of no post more is kept than `moodfuse summary` keeps, and no image."""

    def __init__(self, layout: Layout, manifest: Manifest) -> None:
        self._layout = layout
        self._manifest = manifest
        self._collector: AnswerCollector | None = None

    def add(self, post: Post, prediction: Prediction) -> None:
        """Count an answer."""
        fields = self._layout.answered_object(prediction, post.fields)
        if self._collector is None:
            self._collector = AnswerCollector(fields, Question(), _WHERE)
        self._collector.add(replace(post, fields=fields, image=None, more_images=()))

    def told(self) -> dict[str, Any] | None:
        """Return the shares of all posts and of each period, as `moodfuse summary --json` has them.

        `None` where too few posts were read, or their times are too many periods.
        """
        if self._collector is None:
            return None
        try:
            summary = summarise_answers(self._collector.finish(), held_out(self._manifest), _WHERE)
        except DataError:
            return None
        known = summary.as_json()
        return (
            {name: known[name] for name in ("total", "time", "corrected", "warnings")} if summary.total.shares else None
        )
