"""One of n equal parts of a source, so that n processes that know nothing of each other can share it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from moodfuse.data.formats.base import PREDICTING, Reading, Run
from moodfuse.data.formats.readers import run_posts, source_runs
from moodfuse.data.posts import Post
from moodfuse.errors import ConfigError

_RUN_ROWS = 1_000  # what is skipped, at most, to reach a row
_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` (from 1) of `count` parts: rows that stand together, so that the parts in order are the whole."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "i/n". Raises `ConfigError` for anything else, and for an i outside 1..n."""
        found = _SHARD.fullmatch(text.strip())
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise ConfigError(f"--shard: expected i/n with i from 1 to n, such as 1/8, found {text!r}")
        return cls(number, count)

    def rows(self, total: int) -> range:
        """Return the rows (from 0) of a source of `total` rows: sizes differ by one at most."""
        return range(total * (self.number - 1) // self.count, total * self.number // self.count)


def shard_posts(source: Path, shard: Shard, reading: Reading = PREDICTING) -> tuple[int, Iterator[Post]]:
    """Return how many posts a shard has, and its posts in order.

    The rows of the source are counted first: quick for Parquet, one reading for other files.
    """
    runs = list(source_runs(source, _RUN_ROWS, reading))
    wanted = shard.rows(sum(run.rows for run in runs))
    held, skip = _holding(runs, wanted)
    posts = (post for run in held for post in run_posts(run, reading))
    return len(wanted), islice(posts, skip, skip + len(wanted))


def _holding(runs: list[Run], wanted: range) -> tuple[list[Run], int]:
    """Return the runs that hold the rows wanted, and how many rows of them stand before.

    Those of a file are one run: a reader that cannot seek reads up to it, and that must happen once.
    """
    held: list[Run] = []
    at = skip = 0
    for run in runs:
        if at < wanted.stop and at + run.rows > wanted.start:
            if not held:
                skip = wanted.start - at
            if held and held[-1].path == run.path:
                held[-1] = replace(held[-1], rows=held[-1].rows + run.rows)
            else:
                held.append(run)
        at += run.rows
    return held, skip
