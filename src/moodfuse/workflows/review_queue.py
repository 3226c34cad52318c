"""The queue of a review: posts are drawn from a file of answers, once, and found there again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moodfuse.data.duplicates import group_duplicates
from moodfuse.data.formats.base import Reading
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.posts import Posts
from moodfuse.decide.answered_posts import AnsweredPost, AnswerSource
from moodfuse.decide.answers import AnswerTable
from moodfuse.decide.label_store import LabelStore
from moodfuse.decide.queue import QueueDraw, QueuePlan
from moodfuse.decide.review import ReviewedPost
from moodfuse.decide.vectors import post_vectors
from moodfuse.errors import DataError
from moodfuse.progress import Progress
from moodfuse.runtime.bundle import Bundle
from moodfuse.runtime.predictor import Predictor


@dataclass(frozen=True, slots=True)
class AnsweredFile:
    """A file of answers, read: its numbers, and where its posts are found."""

    path: Path
    reading: Reading
    table: AnswerTable
    source: AnswerSource

    def pick(self, rows: Collection[int]) -> dict[int, AnsweredPost]:
        """Return the posts in these rows. Raises `DataError` where their files lie elsewhere."""
        picked = self.source.pick(stream_posts(self.path, self.reading), rows)
        if (
            picked
            and self.source.beside
            and all(one.post.text is None and not one.post.images for one in picked.values())
        ):
            some = next(iter(picked.values())).post.id
            raise DataError(
                f"{self.path}: has neither texts nor images, and {self.source.folder} no {some[:80]}.txt or .jpg; say "
                "where the posts are: --images FOLDER"
            )
        return picked

    def labelable(self) -> NDArray[np.bool_]:
        """Return which posts can be labelled, (N,): those of which anything was read."""
        names = self.table.used_names
        nothing = names.index("") if "" in names and len(names) > 1 else -1
        return np.asarray(self.table.used != nothing)

    def probabilities(self, row: int) -> dict[str, float]:
        """Return the model's answer to a post."""
        return dict(zip(self.table.labels, map(float, self.table.probabilities[row]), strict=True))


def extend_queue(store: LabelStore, answers: AnsweredFile, bundle: Bundle, plan: QueuePlan, progress: Progress) -> None:
    """Draw posts until there are as many as planned, and keep them. Another session may do the same meanwhile."""
    there, set_aside = store.posts(), store.facts().get("set_aside")
    drawing = QueueDraw(answers.table.probabilities, answers.labelable(), plan, there, set_aside=set_aside)
    if not drawing.random and not drawing.candidates:
        return
    picked = answers.pick([*drawing.random, *drawing.there, *drawing.candidates])
    posts = Posts(replace(one.post, id=str(row)) for row, one in picked.items())
    groups = {int(id): group for id, group in group_duplicates(posts, progress=progress).group_of.items()}

    def vectors(rows: Sequence[int]) -> NDArray[np.float32]:
        posts = [picked[row].post for row in rows]
        return post_vectors(Predictor(bundle), posts, progress, "looking for posts that stand for many")

    chosen = drawing.choose(groups, vectors)
    digests = {one.row: picked[one.row].digest for one in chosen}
    facts = {
        "labels": list(answers.table.labels),
        "rows": len(answers.table),
        "set_aside": drawing.set_aside,
        "seed": plan.seed,
        "budget": plan.budget,
        "share": plan.share,
    }
    store.add_posts(chosen, digests, facts, after=len(there))


def queued_posts(store: LabelStore, answers: AnsweredFile) -> list[ReviewedPost]:
    """Return the posts of the queue, in order. Raises `DataError` where the answers are to other posts now."""
    there, digests, facts = store.posts(), store.digests(), store.facts()
    if facts and (facts["labels"], facts["rows"]) != (list(answers.table.labels), len(answers.table)):
        raise _changed(store, answers, f"{facts['rows']:,} posts with the labels {', '.join(facts['labels'])} then")
    picked = answers.pick([one.row for one in there])
    for one in there:
        if one.row not in picked or picked[one.row].digest != digests[one.row]:
            raise _changed(store, answers, f"row {one.row + 1} was another post then")
    return [ReviewedPost(picked[one.row], answers.probabilities(one.row), one.drawn) for one in there]


def _changed(store: LabelStore, answers: AnsweredFile, how: str) -> DataError:
    return DataError(
        f"{answers.path}: holds other posts than when its review began ({how}); bring the old file back, or move "
        f"{store.path.name} away to begin anew"
    )
