"""Predict: a file of posts in, a file of answers out, row for row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from moodfuse import files
from moodfuse.data.readers import source_format, stream_posts
from moodfuse.errors import OutputError
from moodfuse.progress import Progress, silent
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.runtime.writers import Format, writer


@dataclass(slots=True)
class Summary:
    """What was predicted: counts by label and by status, and how many answers to check by hand."""

    posts: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    status: Counter[str] = field(default_factory=Counter)
    needs_review: int = 0

    def add(self, prediction: Prediction) -> None:
        self.posts += 1
        self.labels[prediction.label] += 1
        self.status.update(map(str, prediction.status))
        self.needs_review += prediction.needs_review


def details_path(output: Path) -> Path:
    """Return where the details of a `guid,tag` file go: OUT.details.csv beside it."""
    return output.with_name(output.name + ".details.csv")


def predict_source(
    predictor: Predictor,
    source: Path,
    output: Path | None,
    *,
    stdout: BinaryIO | None = None,
    source_style: str | None = None,
    style: Format | None = None,
    progress: Progress = silent,
) -> Summary:
    """Predict every post of `source` into `output`, or onto `stdout`, in order; memory does not grow with posts.

    `style` is the output's format; `None` gives back the format that came in. With `guid,tag` the rest of each
    answer goes to `details_path(output)`. Files take their place when they are whole.
    """
    style = style or _style_of(source_style or source_format(source))
    posts = stream_posts(source, format=source_style, part="predict", strict=False, labels=predictor.labels)
    total = _rows(source)
    summary = Summary()
    with ExitStack() as stack:
        sinks: list[tuple[BinaryIO, Callable[[Prediction], str]]] = []
        if output is None:
            if stdout is None:
                raise OutputError("expected an output file or a stream, found neither")
            sinks.append(_start(stdout, style, predictor))
        else:
            if output.is_dir():
                raise OutputError(f"{output}: is a folder; name a file")
            sinks.append(_start(stack.enter_context(files.replacing(output)), style, predictor))
            if style == "report":
                details = stack.enter_context(files.replacing(details_path(output)))
                sinks.append(_start(details, "csv", predictor))
        for prediction in predictor.stream(posts):
            summary.add(prediction)
            for sink, line in sinks:
                sink.write(line(prediction).encode())
            progress("predicting", summary.posts, total)
    return summary


def _start(sink: BinaryIO, style: Format, predictor: Predictor) -> tuple[BinaryIO, Callable[[Prediction], str]]:
    header, line = writer(style, predictor.labels)
    sink.write(header.encode())
    return sink, line


def _style_of(source_style: str) -> Format:
    if source_style == "report":
        return "report"
    return "jsonl" if source_style == "jsonl" else "csv"


def _rows(source: Path) -> int:
    """Return about how many rows a source has, for the progress bar: its lines, less the header."""
    if source.is_dir():
        listings = [source / name for name in ("test_without_label.txt", "train.txt")]
        source = next((path for path in listings if path.is_file()), source)
    if not source.is_file():
        return 0
    return max(0, sum(block.count(b"\n") for block in _blocks(source)) - 1)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
