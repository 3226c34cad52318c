"""The label set, its order, and the conversion between names and ids, which no other module defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from moodfuse.errors import ConfigError, DataError, suggest

#: Values in data files that mean that a post has no label.
UNLABELLED = frozenset({"", "null", "none", "nan"})


@dataclass(frozen=True, slots=True)
class Labels:
    """An ordered set of label names; a label's id is its place in that order."""

    names: tuple[str, ...] = ("negative", "neutral", "positive")

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise ConfigError(f"labels: expected two or more different names, found {list(self.names)}")
        if bad := [name for name in self.names if name.strip().lower() in UNLABELLED]:
            raise ConfigError(f"labels: {bad[0]!r} means 'unlabelled' in data files and cannot be a label")

    def __len__(self) -> int:
        return len(self.names)

    def id(self, name: str) -> int:
        """Return the id of a label that `parse` has accepted."""
        return self.names.index(name)

    def parse(self, raw: str | None, *, where: str) -> str | None:
        """Return the label that `raw` names, `None` if it means unlabelled.

        Case and surrounding blanks are ignored, but not spelling: a misspelt label must never become a new class.
        Raises `DataError`, which names `where`, for anything else.
        """
        value = (raw or "").strip().lower()
        if value in UNLABELLED:
            return None
        for name in self.names:
            if value == name.lower():
                return name
        told = suggest(str(raw).strip(), self.names, what="label")
        if value.lstrip("-").isdigit():
            raise DataError(f"{where}: {told}; a number is not a label: write the name of the label")
        end = "" if told.endswith("?") else "."
        raise DataError(f"{where}: {told}{end} Labels of other names: labels=[NAME,NAME,...]")


#: negative, neutral, positive, in that order.
SENTIMENT = Labels()


def merge_annotations(annotations: Sequence[tuple[str, str]], where: str) -> tuple[str | None, str | None]:
    """Return the merged label of a post of MVSA, or `None` and the reason why it has no label.

    `annotations` holds a (text label, image label) of each annotator. Each modality first takes the label that most
    annotators gave it. Then equal labels are kept, a polar label wins over neutral, and a post with positive and
    negative is dropped: the cleaning of Xu & Mao (MultiSentiNet, CIKM 2017) for the data of Niu et al. (MMM 2016). It
    keeps 4,511 of the 4,869 posts of MVSA-Single. Raises `DataError`, which names `where`, for a label that is not in
    `SENTIMENT`.
    """
    parsed = [tuple(SENTIMENT.parse(raw, where=where) for raw in pair) for pair in annotations]
    if any(None in pair for pair in parsed):
        raise DataError(f"{where}: expected a label for text and image, found {list(annotations)}")
    merged = set()
    for given in zip(*parsed, strict=True):
        label, votes = Counter(given).most_common(1)[0]
        if 2 * votes <= len(given):
            return None, "annotators who do not agree"
        merged.add(label)
    polar = merged - {"neutral"}
    if len(polar) > 1:
        return None, "text and image of opposite sentiment"
    return (polar.pop() if polar else "neutral"), None
