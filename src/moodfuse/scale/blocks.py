"""A job cut into blocks: each becomes a file of its own, so that a job can stop anywhere and go on there.

What is atomic is the renaming of a block's part file: it is there and whole, or it is not there. The list of finished
blocks holds their counts, and spares reading the parts again.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from moodfuse import files
from moodfuse.config import Modality
from moodfuse.data.formats.base import PREDICTING, Reading, Role, Run
from moodfuse.data.formats.parquet import pyarrow
from moodfuse.data.formats.parts import part_files
from moodfuse.data.formats.readers import came_as, run_posts, source_runs, stream_posts
from moodfuse.data.formats.registry import readers
from moodfuse.errors import DataError, OutputError
from moodfuse.labels import Labels
from moodfuse.runtime.answers import Layout, layout_of, stream_answers
from moodfuse.runtime.bundle import MANIFEST as BUNDLE_MANIFEST
from moodfuse.runtime.bundle import Bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.summary import Summary
from moodfuse.runtime.writers import start_writing
from moodfuse.scale.quarantine import Quarantine
from moodfuse.version import __version__

# Tools that read a folder of Parquet files pass over names that begin with an underscore.
MANIFEST, FINISHED = "_manifest.json", "_finished.jsonl"
#: Workers that a block may kill: from the first on its images are tried in quarantine, after the last the job ends.
CAREFUL_AFTER, GIVEN_UP_AFTER = 1, 5
_REMEDY = "name another destination, or remove this one"


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
        found = [(path.name, path.stat()) for path in part_files(self.source)]
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


class Ledger:
    """The destination of a job: whose it is, and which blocks are finished.

    Raises `OutputError` for a folder that cannot be written to, that holds something else, or another job's answers.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.identity = job.identity()
        folder = files.make_folder(job.destination)
        files.sweep(folder, MANIFEST)  # what a job left that was killed as it began
        manifest = read_manifest(folder)
        if manifest is None and any(folder.iterdir()):
            raise OutputError(f"{folder}: expected an empty folder or the same job's, found other files; {_REMEDY}")
        if manifest is not None:
            same_job(folder, manifest["identity"], self.identity)
        self.blocks = None if manifest is None else int(manifest["blocks"])
        self.finished = self._read() if manifest is not None else {}

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.blocks is not None and len(self.finished) == self.blocks

    @property
    def summary(self) -> Summary:
        """The counts of all finished blocks."""
        total = Summary()
        for one in self.finished.values():
            total.merge(one)
        return total

    def begin(self, blocks: int, rows: int) -> None:
        """Note whose folder it is, and forget the tries and half-written files of a run before."""
        folder = self._job.destination
        files.write_json(folder / MANIFEST, {"format": 1, "identity": self.identity, "blocks": blocks, "rows": rows})
        files.sweep(folder)
        for tries in folder.glob("_tries-*"):
            tries.unlink(missing_ok=True)
        files.write_text(folder / FINISHED, "".join(_line(*one) for one in sorted(self.finished.items())))
        self.blocks = blocks

    def add(self, index: int, summary: Summary) -> None:
        """Note that a block is finished."""
        self.finished[index] = summary
        with files.appending(self._job.destination / FINISHED) as file:
            file.write(_line(index, summary).encode())

    def _read(self) -> dict[int, Summary]:
        """Return the blocks noted whose part is there; a line that a dying process left half-written is none."""
        path = self._job.destination / FINISHED
        there = {part.name for part in self._job.destination.glob("part-*.parquet")}
        finished = {}
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            try:
                value = json.loads(line)
                index, summary = int(value["block"]), Summary.from_json(value)
            except (ValueError, KeyError, TypeError):
                continue
            if self._job.part(index).name in there:
                finished[index] = summary
        return finished


def _line(index: int, summary: Summary) -> str:
    return json.dumps({"block": index} | summary.as_json()) + "\n"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what a destination says of its job, `None` where it says nothing. Raises `OutputError` for nonsense."""
    path = folder / MANIFEST
    try:
        value = json.loads(path.read_text("utf-8"))
        return {"identity": dict(value["identity"]), "blocks": int(value["blocks"]), "rows": int(value["rows"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{path}: is not what moodfuse writes there; {_REMEDY}") from None


def same_job(folder: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise `OutputError`, saying in what they differ, where a destination is another job's."""
    expected = json.loads(json.dumps(expected))
    differing = [name for name in expected if found.get(name) != expected[name]]
    if not differing:
        return
    # Files are many, and say no more than that they are others.
    shown = (
        name if name == "files" else f"{name} {found.get(name)!r} there, {expected[name]!r} here" for name in differing
    )
    raise OutputError(f"{folder}: holds the answers of another job (differing: {'; '.join(shown)}); {_REMEDY}")


def check_worker(job: Job, bundle: Bundle, identity: Mapping[str, Any]) -> None:
    """Raise `OutputError` or `DataError` where a worker does not see the destination, bundle and source of the job."""
    manifest = read_manifest(job.destination)
    if manifest is None:
        raise OutputError(
            f"{job.destination}: a worker does not find the job's {MANIFEST} there; "
            "name a destination on a file system that all machines share"
        )
    same_job(job.destination, manifest["identity"], identity)
    if files.sha256(bundle.path(BUNDLE_MANIFEST)) != identity["bundle"]:
        raise DataError(f"{bundle.folder}: a worker finds another bundle there; share it between the machines")


def predict_block(
    predictor: Predictor, job: Job, block: Block, quarantine: Callable[[], Quarantine] = Quarantine
) -> Summary:
    """Write the answers of one block, and return their counts. A part that is there already is counted only.

    Where the block has killed a worker before, its images are first decoded in a process of their own. Raises
    `DataError` for a block that keeps killing workers, and for a source that is not what it was.
    """
    part, run = job.part(block.index), block.run
    layout = job.layout(predictor.labels)
    if part.is_file():
        return count_part(part, layout)
    tries = _tries(job.tries(block.index))
    place = f"{run.path} rows {run.first + 1} to {run.first + run.rows}"
    if tries >= GIVEN_UP_AFTER:
        raise DataError(
            f"{place}: {tries} workers died of these posts; give workers more memory, or leave the posts out"
        )
    posts = run_posts(run, replace(job.reading, labels=predictor.labels))
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
