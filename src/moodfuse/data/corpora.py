"""Labelled posts that train along with a run's own, and are never validated or tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moodfuse.data.posts import Posts


@dataclass(frozen=True, slots=True)
class Pool:
    """The rows of a corpus among all rows of a training, and the share of them that an epoch draws."""

    rows: range
    share: float

    @property
    def drawn(self) -> int:
        """How many rows an epoch draws: at least one."""
        return max(1, round(len(self.rows) * self.share))


@dataclass(frozen=True, slots=True)
class Corpora:
    """The posts of every corpus, in order, with ids that no other post has; `shares` has a number of posts for each."""

    posts: Posts
    #: (posts, share) of each corpus
    shares: Sequence[tuple[int, float]]

    def pools(self, start: int) -> list[Pool]:
        """Return the corpora's rows, where `start` rows come before them."""
        found = []
        for count, share in self.shares:
            found.append(Pool(range(start, start + count), share))
            start += count
        return found

    def beside(self, posts: Posts) -> Posts:
        """Return the posts with those of the corpora behind them."""
        return Posts([*posts, *self.posts], source=posts.source) if len(self.posts) else posts


NO_CORPORA = Corpora(Posts([]), ())
