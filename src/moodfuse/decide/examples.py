"""The surest and the most doubtful posts of all and of each group, kept while answers go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moodfuse.data.posts import Post

#: Surest posts of each label, and most doubtful ones, that are kept of a group.
SUREST, DOUBTFUL = 2, 3
#: Groups of a column of which posts are kept: the first that come. A group that counts comes early.
MOST_GROUPS = 1_000
_CHARACTERS = 1_000  # of a text


@dataclass(frozen=True, slots=True)
class Example:
    """A post as a page shows it; `image` is the value of its column, `label` its answer."""

    id: str
    text: str | None
    image: Any
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Examples:
    """The surest posts of each label, in the order of the labels, and the most doubtful ones."""

    surest: tuple[Example, ...]
    doubtful: tuple[Example, ...]


class Extremes:
    """Keeps the surest and the most doubtful posts of one group."""

    __slots__ = ("_doubtful", "_highest_doubt", "_lowest_sure", "_surest")

    def __init__(self, labels: int) -> None:
        self._surest: list[list[tuple[float, Example]]] = [[] for _ in range(labels)]
        self._doubtful: list[tuple[float, Example]] = []
        self._lowest_sure = [0.0] * labels
        self._highest_doubt = 2.0

    def add(self, place: int, confidence: float, post: Post, label: str, image: str) -> None:
        """Take a post, answered with the label at `place`, and its column of images; of equals, the first are kept."""
        if confidence > self._lowest_sure[place]:
            held = self._surest[place]
            held.append((confidence, _example(post, label, confidence, image)))
            held.sort(key=lambda one: -one[0])
            if len(held) > SUREST:
                held.pop()
            self._lowest_sure[place] = held[-1][0] if len(held) == SUREST else 0.0
        if confidence < self._highest_doubt:
            self._doubtful.append((confidence, _example(post, label, confidence, image)))
            self._doubtful.sort(key=lambda one: one[0])
            if len(self._doubtful) > DOUBTFUL:
                self._doubtful.pop()
            if len(self._doubtful) == DOUBTFUL:
                self._highest_doubt = self._doubtful[-1][0]

    def finish(self) -> Examples:
        """Return what was kept; a post that is among the surest is not shown again as doubtful."""
        surest = tuple(example for held in self._surest for _, example in held)
        shown = {(one.id, one.text) for one in surest}
        return Examples(surest, tuple(one for _, one in self._doubtful if (one.id, one.text) not in shown))


def _example(post: Post, label: str, confidence: float, image: str) -> Example:
    text = post.text if post.text is None or len(post.text) <= _CHARACTERS else post.text[:_CHARACTERS]
    return Example(post.id, text, (post.fields or {}).get(image) if image else None, label, confidence)
