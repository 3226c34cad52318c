"""A process that reads one input after the other, and one beside it that sees when it hangs, dies or takes much."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from drills.targets import TARGETS, TOLD
from moodfuse.runtime.probe import BYTES

Kind = Literal["read", "told", "traceback", "hang", "died"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input, in how many seconds of CPU time (of a hang: by the clock).

    `megabytes` is what memory grew by at most, 0 where the system does not tell.
    """

    kind: Kind
    seconds: float
    megabytes: float = 0.0
    said: str = ""
    #: What libraries wrote to stdout and stderr.
    noise: str = ""


class Reader:
    """A process that reads inputs by one of `TARGETS`; it is ended where one takes more than `limit` seconds."""

    def __init__(self, target: str, folder: Path, limit: float) -> None:
        self._target, self._limit = target, limit
        self._noise = folder / f"{target}.stderr"
        self._process: multiprocessing.process.BaseProcess | None = None
        self._ours: Connection | None = None

    def read(self, path: Path) -> Outcome:
        """Return what became of the input at `path`."""
        if self._process is None:
            self._start()
        assert self._ours is not None
        started = time.perf_counter()
        self._ours.send(path)
        try:
            if self._ours.poll(self._limit):
                outcome: Outcome = self._ours.recv()
                return outcome
            kind: Kind = "hang"
        except (EOFError, OSError):
            kind = "died"
        noise = self._noise.read_text("utf-8", "replace")[-500:]
        self.stop()
        return Outcome(kind, time.perf_counter() - started, 0, noise)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(self._target, theirs, self._noise), daemon=True)
        self._process.start()
        theirs.close()
        assert self._ours.recv() == "ready"

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = None


@contextmanager
def reader(target: str, folder: Path, limit: float) -> Iterator[Reader]:
    """Give a `Reader` that is stopped at the end of the block."""
    one = Reader(target, folder, limit)
    try:
        yield one
    finally:
        one.stop()


def _work(target: str, connection: Connection, noise: Path) -> None:
    log = os.open(noise, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _limit_memory()
    connection.send("ready")
    while True:
        path = connection.recv()
        os.ftruncate(log, 0)
        before = _forget_peak()
        started = time.process_time()  # of CPU: others on the machine change nothing about it
        kind, said = _try(target, path)
        seconds = time.process_time() - started
        sys.stdout.flush()
        sys.stderr.flush()
        heard = os.pread(log, 500, 0).decode("utf-8", "replace")
        connection.send(Outcome(kind, seconds, max(0.0, _memory("VmHWM") - before), said, heard))


def _limit_memory() -> None:
    """Have what asks for as much memory as no bundle may be refused it, rather than take the machine's."""
    with suppress(ImportError):  # Windows
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _try(target: str, path: Path) -> tuple[Kind, str]:
    try:
        TARGETS[target](path)
    except TOLD as error:
        line = str(error)
        return ("traceback", f"more than a line: {line}") if "\n" in line else ("told", line)
    except BaseException:
        return "traceback", traceback.format_exc()
    return "read", ""


def _forget_peak() -> float:
    """Have the system forget the most memory that this process had; return the megabytes that it has."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1000
    return 0.0
