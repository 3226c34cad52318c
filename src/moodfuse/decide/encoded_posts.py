"""What a bundle makes of posts: vectors of texts and images, and the log-probabilities of its head."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moodfuse.config import OTHER, Modality
from moodfuse.data.posts import Posts
from moodfuse.evaluate.logits import logits_of
from moodfuse.progress import Progress, silent
from moodfuse.runtime.graphs import Encoding
from moodfuse.runtime.predictor import Predictor

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vectors:
    """N posts as a bundle's model sees them; what an absent modality's rows hold does not matter."""

    #: pooled vectors (N, D), of each modality whose vectors the head reads
    pooled: dict[Modality, NDArray[np.float32]]
    #: which posts have a modality, (N,)
    present: dict[Modality, NDArray[np.bool_]]
    #: calibrated log-probabilities of the bundle's labels, (N, C)
    logs: Array
    #: the same of posts with this modality alone, where the bundle reads two
    alone: dict[Modality, Array]

    def __len__(self) -> int:
        return len(self.logs)

    def take(self, rows: NDArray[Any]) -> Vectors:
        """Return some of the posts, by their places or by a mask (N,)."""
        return Vectors(_rows(self.pooled, rows), _rows(self.present, rows), self.logs[rows], _rows(self.alone, rows))

    def only(self, kept: Modality) -> Vectors:
        """Return the posts with this modality alone, where the bundle reads two."""
        gone = {OTHER[kept]: np.zeros(len(self), dtype=bool)}
        return Vectors(self.pooled, self.present | gone, self.alone[kept], self.alone)


def encode_posts(predictor: Predictor, posts: Posts, progress: Progress = silent) -> Vectors:
    """Encode posts, and let the head answer each whole, by its text alone and by its image alone."""
    parts: list[Vectors] = []
    done = 0
    with closing(predictor.prepare_ahead(posts)) as windows:
        for prepared in windows:
            parts.append(_vectors(predictor, *predictor.encode(prepared)))
            done += len(prepared)
            progress("encoding posts", done, len(posts))
    first = parts[0]
    return Vectors(
        {m: np.concatenate([part.pooled[m] for part in parts]) for m in first.pooled},
        {m: np.concatenate([part.present[m] for part in parts]) for m in first.present},
        np.concatenate([part.logs for part in parts]),
        {m: np.concatenate([part.alone[m] for part in parts]) for m in first.alone},
    )


def _vectors(predictor: Predictor, text: Sequence[Encoding | None], image: Sequence[Encoding | None]) -> Vectors:
    nothing: list[Encoding | None] = [None] * len(text)
    given: dict[Modality, Sequence[Encoding | None]] = {"text": text, "image": image}
    modalities = predictor.manifest.modalities
    widths = {m: predictor.widths[m] for m in modalities if f"{m}_pooled" in predictor.manifest.head_inputs}
    alone: dict[Modality, Array] = {}
    if len(modalities) > 1:
        pairs = {"text": (text, nothing), "image": (nothing, image)}
        alone = {m: logits_of(predictor.score(*pairs[m])) for m in modalities}
    return Vectors(
        {
            m: np.stack([np.zeros(width, np.float32) if one is None else one["pooled"] for one in given[m]])
            for m, width in widths.items()
        },
        {m: np.array([one is not None for one in given[m]]) for m in modalities},
        logits_of(predictor.score(text, image)),
        alone,
    )


def _rows(arrays: dict[Modality, Any], rows: NDArray[Any]) -> dict[Modality, Any]:
    return {modality: one[rows] for modality, one in arrays.items()}
