"""A job: what is labelled, where the answers go, and the blocks that it is cut into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moodfuse import files
from moodfuse.config import Modality
from moodfuse.data.formats.base import PREDICTING, Reading, Run
from moodfuse.data.formats.readers import came_as, source_files, source_runs, stream_posts
from moodfuse.data.formats.registry import readers
from moodfuse.errors import DataError
from moodfuse.progress import mute
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
    #: How the source is read: with all of its columns, unless the answers alone are asked for.
    reading: Reading
    only: Modality | None = None
    #: What stands in the parts, where whoever hands the job on has found it.
    layout: Layout | None = None

    def identity(self) -> dict[str, Any]:
        """Return what tells this job from others: files by name, size and time, the bundle by its hash, the options."""
        found = [(path.name, path.stat()) for path in source_files(self.source, self.reading.format)]
        return {
            "source": self.source.name,
            "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found],
            "bundle": files.sha256(self.bundle / BUNDLE_MANIFEST),
            "rows a block": self.rows_a_block,
            "format": self.reading.format,
            "only": self.only,
            "remote images": self.reading.remote,
            "answers only": not self.reading.fields,
            "columns": dict(self.reading.columns),
            "sheet": self.reading.sheet,
            "quotes": self.reading.quotes,
            "version": __version__,
        }

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks that the job is cut into: the same each time."""
        runs = source_runs(self.source, self.rows_a_block, replace(self.reading, fields=False))
        return (Block(index, run) for index, run in enumerate(runs))

    def part(self, index: int) -> Path:
        """Return where the answers of a block stand; names sort as the blocks do."""
        return self.destination / f"part-{index:08d}.parquet"

    def find_layout(self) -> Layout:
        """Return what stands in the parts, which all have the same columns: those of every file of the source.

        To find the columns of JSON lines all of them are read.
        """
        if self.layout is not None:
            return self.layout
        reading = self.reading
        return layout_of(self.source, reading, stream_posts(self.source, reading).columns)

    def tries(self, index: int) -> Path:
        """Return the file with a line for each process that began with a block and did not end it."""
        return self.destination / f"_tries-{index:08d}"


def plan_job(
    bundle: Bundle,
    source: Path,
    destination: Path,
    reading: Reading = PREDICTING,
    *,
    rows_a_block: int,
    only: Modality | None = None,
    short: bool = False,
) -> Job:
    """Return the job that labels `source` into the folder `destination`; with `short` the answers stand there alone.

    Raises `DataError` for a source that cannot be read in blocks, and for a source with neither texts nor images.
    """
    source, destination = Path(os.path.abspath(source)), Path(os.path.abspath(destination))  # noqa: PTH100
    found = came_as(source, reading.format)  # of a folder: a file is cut where its own reader can cut it
    able = [name for name, reader in readers().items() if reader.splits]
    if found not in able:
        raise DataError(
            f"{source}: expected a format that can be read in blocks ({', '.join(able)}), found {found}; "
            f"moodfuse convert {source} posts.parquet makes one of it"
        )
    reading = replace(reading, labels=bundle.labels, notify=mute)
    next(stream_posts(source, replace(reading, fields=False)), None)  # its first post can be read
    return Job(source, destination, bundle.folder.absolute(), rows_a_block, replace(reading, fields=not short), only)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of rows, and its place among all."""

    index: int
    run: Run
