"""A job: what is labelled, where the answers go, and the blocks that it is cut into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from moodfuse import files
from moodfuse.config import Modality
from moodfuse.data.formats.base import PREDICTING, Reading, Role, Run
from moodfuse.data.formats.readers import came_as, source_files, source_runs, stream_posts
from moodfuse.data.formats.registry import readers
from moodfuse.errors import DataError
from moodfuse.labels import Labels
from moodfuse.runtime.answers import Layout, layout_of
from moodfuse.runtime.bundle import MANIFEST as BUNDLE_MANIFEST
from moodfuse.runtime.bundle import Bundle
from moodfuse.version import __version__


@dataclass(frozen=True, slots=True)
class Job:
    """What the answers hang on. Paths are absolute, and the same on every machine that works."""

    source: Path
    destination: Path
    bundle: Path
    rows_a_block: int
    format: str | None = None
    only: Modality | None = None
    remote: bool = False
    short: bool = False
    #: Pairs of role and name, the sheet of workbooks, what quotes are: as in `Reading`.
    columns: tuple[tuple[Role, str], ...] = ()
    sheet: str | None = None
    quotes: Literal["double", "none"] = "double"

    @property
    def reading(self) -> Reading:
        """How the source is read: with all of its columns, unless the answers alone are asked for."""
        return replace(
            PREDICTING,
            format=self.format,
            remote=self.remote,
            fields=not self.short,
            columns=dict(self.columns),
            sheet=self.sheet,
            quotes=self.quotes,
        )

    def identity(self) -> dict[str, Any]:
        """Return what tells this job from others: files by name, size and time, the bundle by its hash, the options."""
        found = [(path.name, path.stat()) for path in source_files(self.source, self.format)]
        return {
            "source": self.source.name,
            "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found],
            "bundle": files.sha256(self.bundle / BUNDLE_MANIFEST),
            "rows a block": self.rows_a_block,
            "format": self.format,
            "only": self.only,
            "remote images": self.remote,
            "answers only": self.short,
            "columns": dict(self.columns),
            "sheet": self.sheet,
            "quotes": self.quotes,
            "version": __version__,
        }

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks that the job is cut into: the same each time."""
        runs = source_runs(self.source, self.rows_a_block, replace(self.reading, fields=False))
        return (Block(index, run) for index, run in enumerate(runs))

    def part(self, index: int) -> Path:
        """Return where the answers of a block stand; names sort as the blocks do."""
        return self.destination / f"part-{index:08d}.parquet"

    def layout(self, labels: Labels) -> Layout:
        """Return what stands in the parts."""
        return _layout(self, labels)

    def tries(self, index: int) -> Path:
        """Return the file with a line for each process that began with a block and did not end it."""
        return self.destination / f"_tries-{index:08d}"


@lru_cache(maxsize=4)
def _layout(job: Job, labels: Labels) -> Layout:
    """Return the layout of a job's parts, which all have the same columns: those of every file of the source."""
    return layout_of(job.source, labels, stream_posts(job.source, job.reading).columns, job.format)


def plan_job(bundle: Bundle, source: Path, destination: Path, **options: Any) -> Job:
    """Return the job that labels `source` into the folder `destination`; `options` are `Job`'s others.

    Raises `DataError` for a source that cannot be read in blocks, and for a source with neither texts nor images.
    """
    source, destination = Path(os.path.abspath(source)), Path(os.path.abspath(destination))  # noqa: PTH100
    found = came_as(source, options.get("format"))  # of a folder: a file is cut where its own reader can cut it
    able = [name for name, reader in readers().items() if reader.splits]
    if found not in able:
        raise DataError(
            f"{source}: expected a format that can be read in blocks ({', '.join(able)}), found {found}; "
            f"moodfuse convert {source} posts.parquet makes one of it"
        )
    job = Job(source, destination, bundle.folder.absolute(), **options)
    next(stream_posts(source, replace(job.reading, fields=False)), None)  # its first post can be read
    return job


@dataclass(frozen=True, slots=True)
class Block:
    """A run of rows, and its place among all."""

    index: int
    run: Run
