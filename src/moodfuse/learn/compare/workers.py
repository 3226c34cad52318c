"""Cells over processes: who runs which is settled by locks, so that several commands may share one comparison."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from filelock import FileLock, Timeout

from moodfuse import files
from moodfuse.errors import MoodfuseError, TrainingError
from moodfuse.learn.compare.work import Work
from moodfuse.progress import Progress, silent
from moodfuse.records.cells import CellKey
from moodfuse.records.claim import claims_folder

_WAIT = 0.5  # seconds between two looks at cells that others are running
#: Called with each cell that is done, whoever ran it.
Done = Callable[[CellKey], None]


def run_cells(work: Work, cells: Sequence[CellKey], *, workers: int, done: Done) -> None:
    """Run the cells that are not on disk yet, `workers` at a time, one thread each; return when all are there.

    A cell is claimed by a lock that the operating system takes off a process that dies, so one that was killed
    leaves nothing to clear away: its half-written cell is done again. Raises what a worker raised, and
    `TrainingError` where one was killed.
    """
    if workers == 1:
        with _one_thread():
            work_through(work, cells, done)
        return
    context = multiprocessing.get_context("spawn")
    processes: dict[Any, BaseProcess] = {}  # by the connection that each reports on
    try:
        with _single_threaded_children():
            for _ in range(workers):
                ours, theirs = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_worker, args=(work, list(cells), theirs), daemon=True)
                process.start()
                theirs.close()
                processes[ours] = process
        _listen(processes, set(cells), done)
    except BaseException:
        for process in processes.values():
            process.terminate()
        raise
    finally:
        for process in processes.values():
            process.join()


def work_through(work: Work, cells: Sequence[CellKey], done: Done, progress: Progress = silent) -> None:
    """Run each cell that nobody has run or is running; then wait for those that others run, or take them over."""
    claims_folder(work.comparison)
    pending = sorted(cells)
    while pending:
        busy = []
        for key in pending:
            if not key.is_done(work.comparison):
                lock = FileLock(key.lock(work.comparison), timeout=0)
                try:
                    with lock:
                        _run_claimed(work, key, progress)
                except Timeout:
                    busy.append(key)
                    continue
            done(key)
        pending = busy
        if busy:
            progress("waiting", 0, 0)
            time.sleep(_WAIT)


def _run_claimed(work: Work, key: CellKey, progress: Progress) -> None:
    if key.is_done(work.comparison):  # by another process, between the look and the lock
        return
    folder = key.folder(work.comparison)
    if folder.parent.is_dir():
        files.sweep(folder.parent, key.name)
    work.run(key, progress)


def _worker(work: Work, cells: Sequence[CellKey], report: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def orphaned(_what: str, _done: int, _total: int) -> None:
        if parent is not None and not parent.is_alive():
            os._exit(1)

    try:
        work_through(work, cells, lambda key: report.send(("done", key)), orphaned)
    except MoodfuseError as error:
        report.send(("error", error))
    except BaseException:
        report.send(("fault", traceback.format_exc()))


def _receive(connection: Any) -> tuple[str, Any]:
    message: tuple[str, Any] = connection.recv()
    return message


def _listen(processes: Mapping[Any, BaseProcess], wanted: set[CellKey], done: Done) -> None:
    """Pass on each cell as it is done, until all are. A connection that ends is a worker that has ended."""
    open_ends = dict(processes)
    while wanted and open_ends:
        for connection in wait(list(open_ends)):
            try:
                kind, content = _receive(connection)
            except (EOFError, OSError):
                process = open_ends.pop(connection)
                process.join()
                if process.exitcode:
                    raise TrainingError(_why_ended(process.exitcode)) from None
                continue
            if kind == "error":
                raise content
            if kind == "fault":
                raise RuntimeError(f"a worker failed:\n{content}")
            if content in wanted:
                wanted.discard(content)
                done(content)


def _why_ended(code: int) -> str:
    """Return what to make of a worker that reported nothing and ended with `code`, below 0 by a signal."""
    if code > 0:
        return (
            f"a worker could not start (exit code {code}): a script that asks for several needs "
            '`if __name__ == "__main__":` around what it does; or ask for workers=1'
        )
    return (
        f"a worker was killed (exit code {code}), for want of memory perhaps; what is done is kept: run the same "
        "command again, with fewer --workers"
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    # A cell computes the same whether it runs here or in a worker: sums depend on the number of threads.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _single_threaded_children() -> Iterator[None]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
