"""What several people say of the same posts: which label holds, where they differ, how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from moodfuse.decide.label_store import GivenLabel
from moodfuse.evaluate.agreement import krippendorff_alpha


@dataclass(slots=True)
class PostLabels:
    """The labels of one post: what each person gave without knowing the others, and what settled it, if anything."""

    given: dict[str, str] = field(default_factory=dict)
    #: person and label
    settled: tuple[str, str] | None = None

    @property
    def differ(self) -> bool:
        """Whether people differ and nobody has settled it."""
        return self.settled is None and len(set(self.given.values())) > 1

    @property
    def label(self) -> str | None:
        """The label that holds: what settled it, else what most people say; `None` for none, or a tie."""
        if self.settled is not None:
            return self.settled[1]
        (first, votes), *others = [*Counter(self.given.values()).most_common(2), ("", 0)]
        return first if votes and votes > others[0][1] else None

    @property
    def people(self) -> list[str]:
        """Who stands for that label."""
        if self.settled is not None:
            return [self.settled[0]]
        return [person for person, label in self.given.items() if label == self.label]


def by_post(labels: Iterable[GivenLabel]) -> dict[int, PostLabels]:
    """Return the labels of each post by row; skipped posts have none."""
    found: dict[int, PostLabels] = {}
    for one in labels:
        post = found.setdefault(one.row, PostLabels())
        if one.label is not None and one.settles:
            post.settled = (one.person, one.label)
        elif one.label is not None:
            post.given[one.person] = one.label
    return found


def alpha(labels: Iterable[PostLabels]) -> float | None:
    """Return Krippendorff's alpha of what people said without knowing the others; `None` where it says nothing."""
    return krippendorff_alpha([tuple(post.given.values()) for post in labels])
