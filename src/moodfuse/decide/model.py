"""What is known of the model that gave the answers."""

from __future__ import annotations

import numpy as np

from moodfuse.decide.answers import AnswerTable
from moodfuse.runtime.bundle import Manifest
from moodfuse.runtime.confusion import Confusion, used_name

#: Answers that may be marked for review otherwise than the bundle would: those of a threshold that was rounded.
_TOLERATED = 0.001


def held_out(manifest: Manifest) -> dict[str, Confusion]:
    """Return how the model's held-out posts were answered, by what was read of them; nothing where it is not known.

    A bundle of an earlier version has the confusion of its test alone: of posts with all that it reads.
    """
    if manifest.confusion:
        return dict(manifest.confusion)
    counts = manifest.scores.get("test", {}).get("confusion")
    if not isinstance(counts, list) or len(counts) != len(manifest.labels):
        return {}
    try:
        return {used_name(manifest.modalities): Confusion(counts=tuple(map(tuple, counts)))}
    except (ValueError, TypeError):
        return {}


def gave(manifest: Manifest, answers: AnswerTable) -> bool:
    """Say whether answers can be this bundle's: its labels, and marked for review where its threshold asks for it."""
    if answers.labels != manifest.labels:
        return False
    if answers.needs_review is None or not answers.read.any():
        return True
    sure = answers.probabilities[answers.read].max(1).astype(np.float64)
    marked = answers.needs_review[answers.read]
    clear = np.abs(sure - manifest.review_threshold) > 1e-5  # answers are written with six places
    return bool(((sure < manifest.review_threshold) != marked)[clear].mean() <= _TOLERATED) if clear.any() else True
