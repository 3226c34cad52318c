"""What answers to held-out posts were worth: counts of true label by answer, as a bundle keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from moodfuse.config import Section

#: Held-out posts from which on answers are told apart by two bands of confidence, and by three.
BANDED = (500, 2_000)


class Confusion(Section):
    """Counts of held-out posts: a row for each true label, a column for each answer.

    An answer is a label and the band of its confidence; the bands of a label stand side by side, the least sure first.
    Counts are whole, or means over the seeds of a cross-validation.
    """

    edges: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((), description="confidences between the bands")
    counts: tuple[tuple[Annotated[float, Field(ge=0)], ...], ...]

    @model_validator(mode="after")
    def _shape_fits(self) -> Confusion:
        size = len(self.counts)
        if size < 2 or any(len(row) != size * (len(self.edges) + 1) for row in self.counts):
            raise ValueError(f"counts do not fit {size} labels and {len(self.edges) + 1} bands")
        if list(self.edges) != sorted(set(self.edges)) or any(not sum(row) for row in self.counts):
            raise ValueError("edges must grow, and every label must have a held-out post")
        return self

    @property
    def posts(self) -> float:
        """How many held-out posts were counted."""
        return float(sum(map(sum, self.counts)))

    def answers(self, predicted: ArrayLike, confidence: ArrayLike) -> NDArray[np.int64]:
        """Return the column of each answer, (N,), from the ids of the labels and the confidences, both (N,)."""
        return answer_columns(predicted, confidence, self.edges)


def answer_columns(predicted: ArrayLike, confidence: ArrayLike, edges: Sequence[float]) -> NDArray[np.int64]:
    """Return the column of each answer, (N,): label x bands + band."""
    band = np.searchsorted(np.asarray(edges, dtype=np.float64), np.asarray(confidence, dtype=np.float64), side="right")
    return np.asarray(predicted, dtype=np.int64) * (len(edges) + 1) + band


def count_answers(true: ArrayLike, probabilities: Mapping[str, ArrayLike], *, repeats: int = 1) -> dict[str, Confusion]:
    """Count the answers to the same held-out posts, by what was read of them; where a label has no post, none.

    `true`: ids, (N,); `probabilities`: calibrated, (N, C), where every post stands `repeats` times.
    """
    found = {used: _count(true, table, repeats) for used, table in probabilities.items()}
    return {used: confusion for used, confusion in found.items() if confusion is not None}


def _count(true: ArrayLike, probabilities: ArrayLike, repeats: int) -> Confusion | None:
    """Count answers: the more posts there are, the more bands are told apart, each with as many answers."""
    ids, table = np.asarray(true, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    size = table.shape[1] if table.ndim == 2 else 0
    if not len(ids) or (np.bincount(ids, minlength=size) == 0).any():
        return None
    sure = table.max(1)
    bands = 1 + sum(len(ids) / repeats >= least for least in BANDED)
    inner = np.quantile(sure, np.arange(1, bands) / bands) if bands > 1 else np.empty(0)
    edges = tuple(sorted({round(float(edge), 4) for edge in inner if 0 < edge < 1}))
    columns = size * (len(edges) + 1)
    places = ids * columns + answer_columns(table.argmax(1), sure, edges)
    counts = np.bincount(places, minlength=size * columns).reshape(size, columns) / repeats
    return Confusion(edges=edges, counts=tuple(tuple(float(round(n, 4)) for n in row) for row in counts))


def used_name(used: Iterable[str]) -> str:
    """Return what was read of posts as one name, as answers write it: image|text, image, text."""
    return "|".join(sorted(used))
