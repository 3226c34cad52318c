"""Answers to a data frame's posts, as columns: what the frames of pandas and of polars share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.objects import object_columns
from moodfuse.data.formats.readers import stream_posts
from moodfuse.runtime.answers import Layout, joined
from moodfuse.runtime.predictor import Predictor


def answer_columns(frame: Any, bundle: str | Path | None, how: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the answers to the rows of a frame, in order: the values of each column of them by its name.

    Those are the columns that `moodfuse predict` writes behind a table's own, under names that the frame does not
    have. `how` changes single fields of `Reading` (`columns={"text": "tweet"}`, `remote=True`). Raises `DataError`
    for a frame with neither text nor image.
    """
    predictor = Predictor.load(bundle)
    layout = Layout(predictor.labels, object_columns(frame))
    found: dict[str, list[Any]] = {name: [] for name in layout.names.values()}
    for prediction in predictor.stream(stream_posts(frame, PREDICTING, labels=predictor.labels, **how)):
        for name, value in layout.answer(prediction).items():
            found[name].append(joined(value))
    return found
