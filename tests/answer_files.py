"""Files of answers, written by the writers of `moodfuse predict` itself."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from moodfuse.data.posts import Status
from moodfuse.labels import SENTIMENT
from moodfuse.runtime.answers import Layout
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.runtime.writers import output_format, start_writing
from moodfuse.workflows.prediction import predict_source

#: A text that would run as a page's, were it ever taken for markup.
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> & <b>bold</b> claims"
#: Answers below this confidence are marked for review.
THRESHOLD = 0.5


def prediction(id: str, probabilities: Sequence[float], status: Sequence[Status] = (Status.OK,)) -> Prediction:
    shares = dict(zip(SENTIMENT.names, probabilities, strict=True))
    label = max(shares, key=shares.__getitem__)
    unread = Status.NOTHING_TO_READ in status
    used = frozenset() if unread else frozenset({"image", "text"})
    marked = shares[label] < THRESHOLD or unread
    return Prediction(id, label, shares, shares[label], used, tuple(status), marked, ())


def predicted_file(folder: Path, posts: int = 16) -> Path:
    """Have the model that moodfuse brings answer a table of posts, some with an image, one with hostile text."""
    words = ("what a lovely day", "this is horrible news", "the train leaves at nine", "so happy, and so sad")
    with (folder / "posts.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "image", "sentiment"])
        for at in range(posts):
            image = f"{at}.png" if at % 2 else ""
            if image:
                Image.effect_noise((60 + at, 40), 20 + 9 * at).convert("RGB").save(folder / image)
            text = HOSTILE if at == 0 else f"{words[at % 4]}, says {'abcdefghijklmnop'[at % 16] * 9}"
            table.writerow([f"p{at}", text, image, "unknown"])
    predict_source(Predictor.load(threads=1), folder / "posts.csv", folder / "answers.csv")
    return folder / "answers.csv"


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
