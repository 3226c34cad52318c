"""Predictions to a file, one at a time: `guid,tag`, CSV, JSON lines, or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

from moodfuse.data.formats.parquet import Kind, parquet_sink
from moodfuse.data.formats.registry import format_name
from moodfuse.errors import ConfigError, suggest
from moodfuse.labels import Labels
from moodfuse.runtime.explain import Explanation
from moodfuse.runtime.predictor import Prediction

Format = Literal["guid_tag", "csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("guid_tag", "csv", "jsonl", "parquet")


def answer_format(name: str) -> Format:
    """Return the format of answers that is meant ("report" is `guid_tag`). Raises `ConfigError` where there is none."""
    for known in FORMATS:
        if known == format_name(name):
            return known
    raise ConfigError(suggest(name, FORMATS, what="--format"))


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


def prediction_object(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as what a JSON line holds, numbers rounded to 6 places."""
    return {
        "id": prediction.id,
        "label": prediction.label,
        "probabilities": _rounded(prediction.probabilities),
        "confidence": round(prediction.confidence, 6),
        "used": sorted(prediction.used),
        "status": list(map(str, prediction.status)),
        "needs_review": prediction.needs_review,
    }


def explanation_object(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON holds it: the answer's own keys, and its reasons."""
    regions = explanation.regions
    return prediction_object(explanation.prediction) | {
        "prior": _rounded(explanation.prior),
        "alone": {modality: _rounded(values) for modality, values in explanation.alone.items()},
        "shares": {modality: _rounded(values) for modality, values in explanation.shares.items()},
        "text": explanation.text,
        "words": [
            {"text": word.text, "start": word.start, "end": word.end, "weight": round(word.weight, 6)}
            for word in explanation.words
        ],
        "words_left_out": explanation.words_left_out,
        "regions": None
        if regions is None
        else {
            "weights": [[round(weight, 6) for weight in row] for row in regions.weights],
            "seen": [round(edge, 6) for edge in regions.seen],
        },
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


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
    if style == "guid_tag":
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
    return json.dumps(prediction_object(prediction), ensure_ascii=False) + "\n"


def _csv_line(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
