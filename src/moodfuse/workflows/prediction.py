"""Predict: a file of posts in, a file of answers out, row for row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from moodfuse import files
from moodfuse.config import Modality
from moodfuse.data.formats.parts import part_files
from moodfuse.data.formats.readers import count_posts, source_format, stream_posts
from moodfuse.data.formats.registry import format_name
from moodfuse.data.formats.shards import Shard, shard_posts
from moodfuse.data.remote import pyarrow_fs
from moodfuse.errors import OutputError
from moodfuse.progress import Progress, silent
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.runtime.summary import Summary
from moodfuse.runtime.writers import FORMATS, Format, answer_format, start_writing


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
    style: str | None = None,
    only: Modality | None = None,
    shard: Shard | None = None,
    remote: bool = False,
    progress: Progress = silent,
) -> Summary:
    """Predict every post of `source` into `output`, or onto `stdout`, in order; memory does not grow with posts.

    `style` is the output's format; `None` gives back the format that came in. With `guid,tag` the rest of each
    answer goes to `details_path(output)`. Files take their place when they are whole. `only` withholds the other
    modality from every post. `shard` predicts one of n parts of the source. `remote` follows images named by a URI.
    """
    written = answer_format(style) if style else _style_of(source, source_style, stdout=output is None)
    if remote:
        pyarrow_fs()  # where it is not installed, say so before the work
    if shard is not None:
        total, posts = shard_posts(source, shard, format=source_style, labels=predictor.labels, remote=remote)
    else:
        posts = stream_posts(
            source, format=source_style, part="predict", strict=False, labels=predictor.labels, remote=remote
        )
        total = count_posts(source, format=source_style, part="predict")
    summary = Summary()
    with ExitStack() as stack:
        sinks: list[Callable[[Prediction], None]] = []
        if output is None:
            if stdout is None:
                raise OutputError("expected an output file or a stream, found neither")
            if written == "parquet":
                raise OutputError("Parquet is written to a file, not to stdout; name one with --output")
            sinks.append(stack.enter_context(start_writing(stdout, written, predictor.labels)))
        else:
            file = stack.enter_context(files.replacing(output))
            sinks.append(stack.enter_context(start_writing(file, written, predictor.labels)))
            if written == "guid_tag":
                details = stack.enter_context(files.replacing(details_path(output)))
                sinks.append(stack.enter_context(start_writing(details, "csv", predictor.labels)))
        for prediction in predictor.stream(post.only(only) for post in posts):
            summary.add(prediction)
            for write in sinks:
                write(prediction)
            progress("predicting", summary.posts, total)
    return summary


def _style_of(source: Path, source_style: str | None, *, stdout: bool) -> Format:
    """Return the format that came in, where answers have it too; Parquet cannot go onto a stream."""
    source_style = format_name(source_style or source_format(source))
    if source_style == "parts":
        source_style = source_format(part_files(source)[0])
    return next((name for name in FORMATS if name == source_style and not (stdout and name == "parquet")), "csv")
