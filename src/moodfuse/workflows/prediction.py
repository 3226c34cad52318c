"""Predict: a file of posts in, the same file with answers out, row for row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from moodfuse import files
from moodfuse.config import Modality
from moodfuse.data.formats.base import PREDICTING, Reading
from moodfuse.data.formats.readers import came_as, count_posts, stream_posts
from moodfuse.data.formats.shards import Shard, shard_posts
from moodfuse.data.posts import Post
from moodfuse.errors import OutputError
from moodfuse.progress import Progress, silent
from moodfuse.runtime.answers import Layout, layout_of, stream_answers
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.summary import Summary
from moodfuse.runtime.writers import FILES, FORMATS, Format, Write, answer_format, output_format, start_writing
from moodfuse.workflows.destination import check_destinations


@dataclass(frozen=True, slots=True)
class Answers:
    """How answers are written.

    `to` is their format; `None` takes what the output's name ends with, on a stream what came in. `short` leaves the
    input's columns out. `force` writes over a file that exists. `stdout` is the stream for answers without a file.
    `safe` leaves no cell of a CSV or TSV file that is a formula to a spreadsheet.
    """

    to: str | None = None
    short: bool = False
    force: bool = False
    stdout: BinaryIO | None = None
    safe: bool = False


def details_path(output: Path) -> Path:
    """Return where the details of a `guid,tag` file go: OUT.details.csv beside it."""
    return output.with_name(output.name + ".details.csv")


def predict_source(
    predictor: Predictor,
    source: Path,
    output: Path | None,
    reading: Reading = PREDICTING,
    answers: Answers = Answers(),
    *,
    only: Modality | None = None,
    shard: Shard | None = None,
    progress: Progress = silent,
) -> Summary:
    """Predict every post of `source` into `output`, or onto a stream, in order; memory does not grow with posts.

    Every column of the input comes back before its answer. With `guid,tag` they go to `details_path(output)`, and so
    does the rest of each answer. Files take their place when they are whole, and no input is ever written over. `only`
    withholds the other modality from every post. `shard` predicts one of n parts of the source. Raises `ConfigError`
    for an unknown ending or format, `OutputError` where answers cannot be written, `DataError` for the source.
    """
    came = came_as(source, reading.format)
    style = _style(came, output, answers)
    # On a stream `guid,tag` is all there is; beside a file stands one that has the rest.
    wanted = not answers.short and (style != "guid_tag" or output is not None)
    reading = replace(reading, labels=predictor.labels, fields=wanted)
    total, posts, columns = _posts(source, reading, shard)
    layout = layout_of(source, reading, columns)
    layout = replace(layout, table=replace(layout.table, safe=answers.safe))
    if output is not None:
        named = [output, details_path(output)] if style == "guid_tag" else [output]
        check_destinations(named, source, reading, force=answers.force)
    summary = Summary()
    with ExitStack() as stack:
        sinks = _sinks(output, style, layout, answers, stack)
        for prediction, fields in stream_answers(predictor, posts, only):
            summary.add(prediction)
            for write in sinks:
                write(prediction, fields)
            progress("predicting", summary.posts, total)
    return summary


def _posts(source: Path, reading: Reading, shard: Shard | None) -> tuple[int, Iterator[Post], tuple[str, ...]]:
    """Return how many posts there are to predict, the posts, and the columns that come back with them."""
    stream = stream_posts(source, reading)
    if shard is None:
        return count_posts(source, reading), stream, stream.columns
    return *shard_posts(source, shard, reading), stream.columns


def _style(came: str, output: Path | None, answers: Answers) -> Format:
    """Return the format of the answers: the one asked for, what the output's name says, or what came in."""
    if output is None:
        if answers.stdout is None:
            raise OutputError("expected an output file or a stream, found neither")
        if answers.to is None:
            return next((name for name in FORMATS if name == came and name not in FILES), "csv")
        if (style := answer_format(answers.to)) in FILES:
            raise OutputError(f"{style} is written to a file, not to stdout; name one with --output")
        return style
    return answer_format(answers.to) if answers.to else output_format(output, came)


def _sinks(output: Path | None, style: Format, layout: Layout, answers: Answers, stack: ExitStack) -> list[Write]:
    """Return the functions that write an answer; what they write is whole when the stack is closed."""
    if output is None:
        assert answers.stdout is not None
        return [stack.enter_context(start_writing(answers.stdout, style, layout))]
    file = stack.enter_context(files.replacing(output))
    sinks = [stack.enter_context(start_writing(file, style, layout))]
    if style == "guid_tag":
        details = stack.enter_context(files.replacing(details_path(output)))
        sinks.append(stack.enter_context(start_writing(details, "csv", layout)))
    return sinks
