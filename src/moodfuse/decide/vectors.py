"""The vectors of posts: what the encoders of a bundle make of them, before any head."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from moodfuse.data.posts import Post
from moodfuse.progress import Progress, silent
from moodfuse.runtime.graphs import Encoding
from moodfuse.runtime.predictor import Predictor

_BATCH = 32


def post_vectors(
    predictor: Predictor, posts: Sequence[Post], progress: Progress = silent, what: str = "reading posts"
) -> NDArray[np.float32]:
    """Return (N, D): each post's vector of the text and of the image, side by side.

    Each has length 1, zeros stand for what is absent, so that no modality outweighs the other.
    """
    rows: list[tuple[Encoding | None, Encoding | None]] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(posts), _BATCH):
            prepared = list(pool.map(predictor.prepare, posts[start : start + _BATCH]))
            rows += zip(*predictor.encode(prepared), strict=True)
            progress(what, len(rows), len(posts))
    sides = [_unit([pair[side] for pair in rows]) for side in (0, 1)]
    return np.concatenate(sides, axis=1)


def _unit(encodings: Sequence[Encoding | None]) -> NDArray[np.float32]:
    """Return unit vectors (N, D) of one modality; D is 0 where no post has any."""
    found = [None if one is None else _vector(one) for one in encodings]
    width = next((len(one) for one in found if one is not None), 0)
    vectors = np.zeros((len(found), width), dtype=np.float32)
    for place, one in enumerate(found):
        if one is not None:
            vectors[place] = one / max(float(np.linalg.norm(one)), 1e-12)
    return vectors


def _vector(encoding: Encoding) -> NDArray[np.float32]:
    """Return the pooled vector; the mean of the tokens where the head takes tokens alone, nothing where pixels."""
    if "pooled" in encoding:
        return np.asarray(encoding["pooled"], dtype=np.float32)
    if "tokens" in encoding:
        return np.asarray(encoding["tokens"].mean(0), dtype=np.float32)
    return np.zeros(0, dtype=np.float32)
