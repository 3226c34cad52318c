"""The destination of a job: whose it is, and which blocks are finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moodfuse import files
from moodfuse.errors import DataError, OutputError
from moodfuse.runtime.bundle import MANIFEST as BUNDLE_MANIFEST
from moodfuse.runtime.bundle import Bundle
from moodfuse.runtime.summary import Summary
from moodfuse.scale.job import Job
from moodfuse.staging import sweep

# Tools that read a folder of Parquet files pass over names that begin with an underscore.
MANIFEST, FINISHED = "_manifest.json", "_finished.jsonl"
_REMEDY = "name another destination, or remove this one"


class Ledger:
    """The destination of a job: whose it is, and which blocks are finished.

    Raises `OutputError` for a folder that cannot be written to, that holds something else, or another job's answers.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.identity = job.identity()
        folder = files.make_folder(job.destination)
        sweep(folder, MANIFEST)  # what a job left that was killed as it began
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
        sweep(folder)
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
