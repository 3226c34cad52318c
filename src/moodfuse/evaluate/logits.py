"""Logits as probabilities, and the other way round; needs nothing but NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Smallest probability to take the logarithm of: a table on disk may hold 0.
_LEAST = 1e-12


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def logits_of(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return logits whose softmax gives the probabilities, both (..., C).

    They are log-probabilities: the model's own logits differ from them by a constant per post, which does not change
    the softmax.
    """
    logits: NDArray[np.float64] = np.log(np.asarray(probabilities, dtype=np.float64).clip(_LEAST))
    return logits
