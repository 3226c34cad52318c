"""Posts as a bundle would see them, with a signal planted where a test wants it."""

from __future__ import annotations

import numpy as np

from moodfuse.config import Modality
from moodfuse.decide.encoded_posts import Vectors
from moodfuse.decide.head import Labelled
from moodfuse.evaluate.logits import log_softmax

LABELS = 3


def planted(
    posts: int, *, vectors: float = 0.0, answers: float = 0.0, copies: int = 1, seed: int = 0, onto_old: bool = True
) -> Labelled:
    """Return labelled posts of two modalities; their vectors and their answers know the label as surely as asked.

    Each post stands `copies` times, as one group; one in four has no image.
    """
    luck = np.random.default_rng(seed)
    true = luck.integers(0, LABELS, posts).repeat(copies)
    noise = luck.standard_normal((posts, 40)).repeat(copies, axis=0)
    wanted = np.eye(LABELS)[true]
    pooled: dict[Modality, np.ndarray] = {
        "text": (noise[:, :20] + vectors * wanted @ luck.standard_normal((LABELS, 20))).astype(np.float32),
        "image": noise[:, 20:].astype(np.float32),
    }
    logs = log_softmax(answers * wanted + luck.standard_normal((posts, LABELS)).repeat(copies, axis=0))
    alone: dict[Modality, np.ndarray] = {"text": logs, "image": np.full_like(logs, -np.log(LABELS))}
    present: dict[Modality, np.ndarray] = {
        "text": np.ones(len(true), bool),
        "image": np.arange(len(true)) // copies % 4 > 0,
    }
    return Labelled(Vectors(pooled, present, logs, alone), true, np.arange(posts).repeat(copies), LABELS, onto_old)
