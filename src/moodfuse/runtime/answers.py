"""What stands in an answer, and beside which columns of the input."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodfuse.config import Modality
from moodfuse.data.posts import Post
from moodfuse.data.table_style import PLAIN_CSV, TableStyle
from moodfuse.labels import Labels
from moodfuse.runtime.predictor import Prediction, Predictor

if TYPE_CHECKING:
    from moodfuse.data.formats.base import Reading
    from moodfuse.runtime.explain import Explanation

_PREFIX = "moodfuse_"


@dataclass(frozen=True)
class Layout:
    """What of a post's answer is written: behind the input's `columns`, or the answer alone where they are none.

    `types` are the Arrow types of those columns that have one; the others hold text where a format needs types.
    `table` is how a table of text is written.
    """

    labels: Labels
    columns: tuple[str, ...] = ()
    types: Mapping[str, Any] = field(default_factory=dict)
    table: TableStyle = PLAIN_CSV

    @cached_property
    def names(self) -> dict[str, str]:
        """The answer's columns, in order, with the names that they get beside the input's."""
        shares = [f"p_{name}" for name in self.labels.names]
        if not self.columns:
            plain = ["id", "label", *shares, "confidence", "used", "status", "needs_review", "details"]
        else:
            plain = ["label", "confidence", *shares, "used", "status", "needs_review", "details"]
        return free_names(plain, self.columns)

    @cached_property
    def keys(self) -> dict[str, str]:
        """The keys of an answer in JSON, in order, with those that they get beside the input's."""
        order = ("label", "confidence", "probabilities", "used", "status", "needs_review", "details")
        return free_names(order, self.columns)

    @property
    def header(self) -> list[str]:
        """The names of all columns, the input's first."""
        return [*self.columns, *self.names.values()]

    def answer(self, prediction: Prediction) -> dict[str, Any]:
        """Return the answer's values under the names that they get; several of a kind are a list."""
        values = answer_values(prediction)
        return {name: values[plain] for plain, name in self.names.items()}

    def answered_object(self, prediction: Prediction, fields: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the post's fields and behind them the answer, as JSON holds both; the answer alone without columns."""
        answer = prediction_object(prediction)
        if not self.columns:
            return answer
        return {**(fields or {}), **{name: answer[plain] for plain, name in self.keys.items()}}

    def fields(self, fields: Mapping[str, Any] | None) -> list[Any]:
        """Return the values of the input's columns, in order; `None` where a post has none."""
        found = fields or {}
        return [found.get(name) for name in self.columns]


def layout_of(source: Path, reading: Reading, columns: tuple[str, ...]) -> Layout:
    """Return the layout of answers behind the columns of a source.

    Those of Parquet files keep their types; a table of text is written as the source is.
    """
    from moodfuse.data.formats.parquet import column_types
    from moodfuse.data.formats.readers import came_as, source_files, table_style

    typed = bool(columns) and came_as(source, reading.format) == "parquet"
    types = column_types(source_files(source, reading.format)[0]) if typed else {}
    return Layout(reading.labels, columns, types, table_style(source, reading))


def free_names(names: Collection[str], taken: Collection[str]) -> dict[str, str]:
    """Return a free name for each of `names`: itself, or with `moodfuse_` before it where a column is called so.

    Upper and lower case are the same here: many a program that reads the answers cannot tell `Label` from `label`.
    """
    held = {name.strip().casefold() for name in taken}
    return {name: _free(name, held) for name in names}


def _free(name: str, held: set[str]) -> str:
    while name.casefold() in held:
        name = _PREFIX + name
    return name


def answer_values(prediction: Prediction) -> dict[str, Any]:
    """Return all that a prediction says as flat values, numbers rounded to 6 places."""
    values: dict[str, Any] = {"id": prediction.id, "label": prediction.label}
    values |= {f"p_{name}": value for name, value in _rounded(prediction.probabilities).items()}
    return values | {
        "confidence": round(prediction.confidence, 6),
        "used": sorted(prediction.used),
        "status": list(map(str, prediction.status)),
        "needs_review": prediction.needs_review,
        "details": list(prediction.details),
    }


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as one flat row of numbers and text."""
    row = answer_values(prediction)
    return row | {name: joined(row[name]) for name in ("used", "status", "details")}


def joined(value: Any) -> Any:
    """Return several words of a column as one cell holds them, and anything else as it is."""
    return "|".join(value) if isinstance(value, list) else value


def prediction_object(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as JSON holds it, numbers rounded to 6 places."""
    return {
        "id": prediction.id,
        "label": prediction.label,
        "probabilities": _rounded(prediction.probabilities),
        "confidence": round(prediction.confidence, 6),
        "used": sorted(prediction.used),
        "status": list(map(str, prediction.status)),
        "needs_review": prediction.needs_review,
        "details": list(prediction.details),
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


def stream_answers(
    predictor: Predictor, posts: Iterable[Post], only: Modality | None = None
) -> Iterator[tuple[Prediction, Mapping[str, Any] | None]]:
    """Yield the prediction of each post with the post's own fields, in order.

    No more fields are held than the predictor holds posts. `only` withholds the other modality from every post.
    """
    waiting: deque[Mapping[str, Any] | None] = deque()

    def asked() -> Iterator[Post]:
        for post in posts:
            waiting.append(post.fields)
            yield post.only(only)

    for prediction in predictor.stream(asked()):
        yield prediction, waiting.popleft()
