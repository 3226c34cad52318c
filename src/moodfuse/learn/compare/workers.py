"""Cells in several processes: locks decide which process runs which cell, so commands may share a comparison."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from filelock import FileLock, Timeout

from moodfuse.learn.compare.work import Work
from moodfuse.learn.processes import Parent, processes
from moodfuse.records.cells import CellKey
from moodfuse.staging import sweep

_WAIT = 0.5  # seconds between two looks at cells that others are running
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
#: Called with each cell that is done, whichever process ran it.
Done = Callable[[CellKey], None]


def run_cells(work: Work, cells: Sequence[CellKey], *, workers: int, done: Done) -> None:
    """Run the cells that are not on disk yet, `workers` at a time, one thread each; return when all are there.

    A process claims a cell by a lock, which the operating system frees when the process dies. A killed process leaves
    nothing to clean up: its half-written cell is run again. Raises the error that a worker raised, and `TrainingError`
    if a worker was killed.
    """
    if workers == 1:
        with _one_thread():
            work_through(work, cells, done)
        return
    job = partial(_worker, work, list(cells))
    wanted = set(cells)
    with processes([job] * workers, who="a worker failed", why_ended=_why_ended, environment=_ONE_THREAD) as told:
        for key in told:
            if key in wanted:
                wanted.discard(key)
                done(key)
            if not wanted:
                break


def work_through(work: Work, cells: Sequence[CellKey], done: Done) -> None:
    """Run each cell that no process has run or is running; wait for the cells of other processes, or take them over."""
    pending = sorted(cells)
    while pending:
        busy = []
        for key in pending:
            if not key.is_done(work.comparison):
                lock = FileLock(key.lock(work.comparison), timeout=0)
                try:
                    with lock:
                        _run_claimed(work, key)
                except Timeout:
                    busy.append(key)
                    continue
            done(key)
        pending = busy
        if busy:
            time.sleep(_WAIT)


def _run_claimed(work: Work, key: CellKey) -> None:
    if key.is_done(work.comparison):  # by another process, between the check and the lock
        return
    sweep(key.folder(work.comparison).parent, key.name)
    work.run(key)


def _worker(work: Work, cells: Sequence[CellKey], parent: Parent) -> None:
    torch.set_num_threads(1)
    work_through(work, cells, parent.tell)


def _why_ended(code: int) -> str:
    """Return the message for a worker that reported nothing and ended with `code`; below 0, a signal ended it."""
    if code > 0:
        return (
            f"a worker could not start (exit code {code}): a script that asks for several workers needs "
            '`if __name__ == "__main__":` around its code; or ask for workers=1'
        )
    return (
        f"a worker was killed (exit code {code}), perhaps because memory ran out; finished cells are kept: run the "
        "same command again, with fewer --workers"
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    # Sums depend on the number of threads; with one thread a cell computes the same here and in a worker.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
