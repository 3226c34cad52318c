"""Predictions to a file, one at a time: the report's `guid,tag`, CSV, JSON lines, or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

from moodfuse.data.tables import Kind, parquet_sink
from moodfuse.labels import Labels
from moodfuse.runtime.predictor import Prediction

Format = Literal["report", "csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("report", "csv", "jsonl", "parquet")


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as one flat row, numbers rounded to 6 places."""
    row: dict[str, Any] = {"id": prediction.id, "label": prediction.label}
    row |= {f"p_{name}": round(value, 6) for name, value in prediction.probabilities.items()}
    return row | {
        "confidence": round(prediction.confidence, 6),
        "used": "|".join(sorted(prediction.used)),
        "status": "|".join(prediction.status),
        "needs_review": prediction.needs_review,
    }


@contextmanager
def start_writing(sink: BinaryIO, style: Format, labels: Labels) -> Iterator[Callable[[Prediction], None]]:
    """Give the function that writes a prediction to `sink`. Parquet is whole only when the block has ended.

    Raises `MissingExtraError` for Parquet without pyarrow.
    """
    if style == "parquet":
        with parquet_sink(sink, _parquet_columns(labels)) as add:
            yield lambda prediction: add(_parquet_row(prediction))
        return
    header, line = _lines(style, labels)
    sink.write(header.encode())

    def write(prediction: Prediction) -> None:
        sink.write(line(prediction).encode())

    yield write


def _lines(style: Format, labels: Labels) -> tuple[str, Callable[[Prediction], str]]:
    """Return a format's header and the function that turns a prediction into its line, both ending in a newline."""
    if style == "report":
        return "guid,tag\n", lambda prediction: _csv_line([prediction.id, prediction.label])
    if style == "jsonl":
        return "", _json_line
    names = ["id", "label", *(f"p_{name}" for name in labels.names), "confidence", "used", "status", "needs_review"]
    return _csv_line(names), lambda prediction: _csv_line(list(prediction_row(prediction).values()))


def _parquet_columns(labels: Labels) -> dict[str, Kind]:
    probabilities: dict[str, Kind] = {f"p_{name}": "float" for name in labels.names}
    return {
        "id": "string",
        "label": "string",
        **probabilities,
        "confidence": "float",
        "used": "strings",
        "status": "strings",
        "needs_review": "bool",
    }


def _parquet_row(prediction: Prediction) -> dict[str, Any]:
    return prediction_row(prediction) | {"used": sorted(prediction.used), "status": list(map(str, prediction.status))}


def _json_line(prediction: Prediction) -> str:
    row = {
        "id": prediction.id,
        "label": prediction.label,
        "probabilities": {name: round(value, 6) for name, value in prediction.probabilities.items()},
        "confidence": round(prediction.confidence, 6),
        "used": sorted(prediction.used),
        "status": list(prediction.status),
        "needs_review": prediction.needs_review,
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


def _csv_line(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
