"""The answers of a block: a file of their own, so that a job can stop anywhere and go on there.

What is atomic is the renaming of a part file: it is there and whole, or it is not there.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from moodfuse import files
from moodfuse.data.formats.parquet import pyarrow
from moodfuse.data.formats.readers import run_posts
from moodfuse.errors import DataError
from moodfuse.runtime.answers import Layout, stream_answers
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.summary import Summary
from moodfuse.runtime.writers import start_writing
from moodfuse.scale.job import Block, Job
from moodfuse.scale.quarantine import Quarantine

#: Workers that a block may kill: from the first on its images are tried in quarantine, after the last the job ends.
CAREFUL_AFTER, GIVEN_UP_AFTER = 1, 5


def predict_block(
    predictor: Predictor, job: Job, block: Block, quarantine: Callable[[], Quarantine] = Quarantine
) -> Summary:
    """Write the answers of one block, and return their counts. A part that is there already is counted only.

    Where the block has killed a worker before, its images are first decoded in a process of their own. Raises
    `DataError` for a block that keeps killing workers, and for a source that is not what it was.
    """
    part, run = job.part(block.index), block.run
    layout = job.find_layout()
    if part.is_file():
        return count_part(part, layout)
    tries = _tries(job.tries(block.index))
    place = f"{run.path} rows {run.first + 1} to {run.first + run.rows}"
    if tries >= GIVEN_UP_AFTER:
        raise DataError(
            f"{place}: {tries} workers died of these posts; give workers more memory, or leave the posts out"
        )
    posts = run_posts(run, job.reading)
    summary = Summary()
    with (
        quarantine() as guard,
        files.replacing(part) as file,
        start_writing(file, "parquet", layout) as write,
    ):
        tried = guard.posts(posts) if tries >= CAREFUL_AFTER else posts
        for prediction, fields in stream_answers(predictor, tried, job.only):
            write(prediction, fields)
            summary.add(prediction)
        if summary.posts != run.rows:
            raise DataError(f"{place}: expected {run.rows} rows, found {summary.posts}; the source has changed")
    job.tries(block.index).unlink(missing_ok=True)
    return summary


def _tries(path: Path) -> int:
    """Return how many processes began with a block before, and note that this one does."""
    before = len(path.read_text("utf-8").splitlines()) if path.is_file() else 0
    with files.appending(path) as file:
        file.write(f"{socket.gethostname()} {os.getpid()}\n".encode())
    return before


def count_part(part: Path, layout: Layout) -> Summary:
    """Return the counts of the answers in a part file."""
    arrow = pyarrow()
    summary = Summary()
    names = [layout.names[name] for name in ("label", "status", "needs_review")]
    with arrow.parquet.ParquetFile(part) as file:
        for batch in file.iter_batches(columns=names):
            labels, status, review = (batch.column(name).to_pylist() for name in names)
            statuses = Counter(word for words in status for word in words)
            summary.merge(Summary(batch.num_rows, Counter(labels), statuses, sum(review)))
    return summary
