"""Files of answers, written by the writers of `moodfuse predict` itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse.data.posts import Status
from moodfuse.labels import SENTIMENT
from moodfuse.runtime.answers import Layout
from moodfuse.runtime.predictor import Prediction
from moodfuse.runtime.writers import output_format, start_writing

#: Answers below this confidence are marked for review.
THRESHOLD = 0.5


def prediction(id: str, probabilities: Sequence[float], status: Sequence[Status] = (Status.OK,)) -> Prediction:
    shares = dict(zip(SENTIMENT.names, probabilities, strict=True))
    label = max(shares, key=shares.__getitem__)
    unread = Status.NOTHING_TO_READ in status
    used = frozenset() if unread else frozenset({"image", "text"})
    marked = shares[label] < THRESHOLD or unread
    return Prediction(id, label, shares, shares[label], used, tuple(status), marked, ())


def drawn(posts: int, shares: Sequence[float], seed: int = 0) -> list[list[float]]:
    """Return probabilities that lean towards labels of these shares."""
    luck = np.random.default_rng(seed)
    true = luck.choice(3, posts, p=shares)
    return [luck.dirichlet(np.where(np.arange(3) == label, 4.0, 1.0)).tolist() for label in true]


def write(path: Path, predictions: Sequence[Prediction], fields: Sequence[Mapping[str, Any]] | None = None) -> Path:
    """Write answers, behind the fields of their posts where they have any, as the name of the file says."""
    layout = Layout(SENTIMENT, tuple(fields[0]) if fields else ())
    with path.open("wb") as file, start_writing(file, output_format(path, "csv"), layout) as add:
        for place, one in enumerate(predictions):
            add(one, fields[place] if fields else None)
    return path


def week_file(path: Path, posts: int = 400) -> Path:
    """Write answers to posts of two brands in two months: those of Birch turn negative in the second."""
    predictions, fields = [], []
    for at, (early, late) in enumerate(
        zip(drawn(posts, (0.2, 0.2, 0.6), 1), drawn(posts, (0.8, 0.1, 0.1), 2), strict=True)
    ):
        brand, second = ("Alder", "Birch")[at % 2], at >= posts // 2
        predictions.append(prediction(str(at), late if second and brand == "Birch" else early))
        text = f"post {at} of {brand.lower()} #{'sale' if at % 3 else 'new'}"
        when = f"2025-0{2 if second else 1}-{1 + at % 28:02d}T10:00:00Z"
        fields.append({"id": str(at), "text": text, "brand": brand, "created_at": when})
    return write(path, predictions, fields)
