"""A review: posts that people label one by one, and what their labels say of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moodfuse.decide.agreement import PostLabels, alpha, by_post
from moodfuse.decide.answered_posts import AnsweredPost
from moodfuse.decide.label_store import Kind, LabelStore
from moodfuse.decide.queue import Drawn
from moodfuse.errors import DataError, suggest
from moodfuse.evaluate.intervals import wilson_interval

_MOST_NEEDED = 100_000  # posts that are thought of to narrow an interval
LONGEST_NOTE = 5_000  # characters


@dataclass(frozen=True, slots=True)
class ReviewedPost:
    """A post in the queue, with the model's probabilities, by label."""

    answered: AnsweredPost
    probabilities: Mapping[str, float]
    drawn: Drawn

    @property
    def row(self) -> int:
        return self.answered.row

    @property
    def predicted(self) -> str:
        """The model's answer."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the model is right on the posts drawn at random that have a label: `right` of `count`."""

    right: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson_interval(self.right, self.count)

    @property
    def needed(self) -> int:
        """How many more posts drawn at random would about halve the interval, if as many were right."""
        low, high = self.interval
        fewest, most = self.count, _MOST_NEEDED
        while fewest + 1 < most:
            count = (fewest + most) // 2
            new = wilson_interval(round(self.right / self.count * count), count)
            fewest, most = (fewest, count) if new[1] - new[0] <= (high - low) / 2 else (count, most)
        return most - self.count

    def words(self) -> str:
        """Return the accuracy in words."""
        low, high = self.interval
        drawn = f"{self.count} drawn at random"
        return f"on your posts: accuracy {self.right / self.count:.2f} ({low:.2f} to {high:.2f}, from {drawn})"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a review is. `done` and `skipped` are one person's, everything else is everybody's."""

    done: int
    skipped: int
    total: int
    #: labels by person
    people: Mapping[str, int]
    accuracy: Accuracy
    #: how many posts the queue has, and how many of them are drawn at random
    queued: int
    random: int
    alpha: float | None
    #: posts with labels of two people or more, and those on which they differ and nobody has settled it
    shared: int
    differing: int


class ReviewSession:
    """One person's session on the posts of a store. With `settling` it shows those on which others differ."""

    def __init__(
        self,
        store: LabelStore,
        labels: Sequence[str],
        posts: Sequence[ReviewedPost],
        person: str,
        *,
        settling: bool = False,
    ) -> None:
        self.store, self.labels, self.person, self.settling = store, tuple(labels), person, settling
        self.by_row = {post.row: post for post in posts}
        if settling:
            differing = {row for row, post in self.given().items() if post.differ}
            posts = [post for post in posts if post.row in differing]
        #: the posts that this session shows, in order
        self.posts = list(posts)

    def given(self) -> dict[int, PostLabels]:
        """Return everybody's labels of each post, by row."""
        return by_post(self.store.labels())

    def own(self) -> dict[int, str | None]:
        """Return what this person says of each post in this kind of session, by row; `None` where they skipped it."""
        mine = (self.person, self.settling)
        return {one.row: one.label for one in self.store.labels() if (one.person, one.settles) == mine}

    def label(self, row: int, label: str) -> None:
        """Keep a label. Raises `DataError` for a label or a post that is none of this review."""
        if label not in self.labels:
            raise DataError(f"label: {suggest(label, self.labels, what='label')}")
        self._act(row, "label", label)

    def skip(self, row: int) -> None:
        """Keep that the person cannot or will not say."""
        self._act(row, "skip", "")

    def note(self, row: int, note: str) -> None:
        """Keep a note; an empty one takes it away."""
        if len(note) > LONGEST_NOTE:
            raise DataError(f"note: expected {LONGEST_NOTE:,} characters at most, found {len(note):,}; shorten it")
        self._act(row, "note", note.strip())

    def undo(self) -> int | None:
        """Take back the person's last key; return its post's row."""
        return self.store.undo(self.person, settles=self.settling)

    def _act(self, row: int, kind: Kind, value: str) -> None:
        if row not in self.by_row:
            raise DataError(f"post: expected one of the {len(self.by_row)} of this review, found row {row}")
        self.store.act(row, self.person, kind, value, settles=self.settling)

    def standing(self) -> Standing:
        """Return how far everybody is, and what is known by that."""
        labels = self.store.labels()
        posts = by_post(labels)
        shown = {post.row for post in self.posts}
        mine = [one for one in labels if (one.person, one.settles) == (self.person, self.settling) and one.row in shown]
        people: dict[str, int] = {}
        for post in posts.values():
            for person in post.given:
                people[person] = people.get(person, 0) + 1
        tests = [post for post in self.by_row.values() if post.drawn == "random"]
        held = [(post, posts[post.row].label) for post in tests if post.row in posts]
        known = [label == post.predicted for post, label in held if label is not None]
        return Standing(
            done=sum(one.label is not None for one in mine),
            skipped=sum(one.label is None for one in mine),
            total=len(self.posts),
            people=people,
            accuracy=Accuracy(sum(known), len(known)),
            queued=len(self.by_row),
            random=len(tests),
            alpha=alpha(posts.values()),
            shared=sum(len(post.given) > 1 for post in posts.values()),
            differing=sum(post.differ for post in posts.values()),
        )
