"""Commands in forks of a process that has imported everything: they start at once, and something befalls them at a
write to the file system that a seed has chosen."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from moodfuse.errors import MoodfuseError

# Imported before any fork, which takes seconds each; none of them starts a thread that a fork would lack.
_LARGE = (
    "lightning",
    "matplotlib.backends.backend_svg",
    "moodfuse.learn.compare.work",
    "moodfuse.serve.api",
    "moodfuse.workflows.adapting",
    "moodfuse.workflows.comparison.run",
    "moodfuse.workflows.conversion",
    "moodfuse.workflows.prediction",
    "moodfuse.workflows.reporting",
    "moodfuse.workflows.reviewing",
    "moodfuse.workflows.searching",
    "moodfuse.workflows.training",
    "onnxscript",
    "onnxruntime",
    "optuna",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.linear_model",
    "torch.onnx",
    "torch.onnx._internal.exporter._core",
    "transformers",
)
T = TypeVar("T")
_WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "sqlite3.connect"}
#: Called with the folder for a job's files and 1, or 2 for the second of two at once; returns an exit code.
Do = Callable[[Path, int], int]


@dataclass(frozen=True, slots=True)
class Befalling:
    """What is done in a process at its `at`-th write (from 1)."""

    at: int
    act: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code or minus its signal, the writes that it came to, what it printed."""

    code: int
    writes: int
    said: str

    @property
    def traceback(self) -> bool:
        return "Traceback" in self.said


@dataclass(frozen=True, slots=True)
class Fork:
    """A process that runs."""

    pid: int
    log: Path

    def wait(self) -> Ended:
        """Wait until it ends; what it printed is forgotten otherwise."""
        _, status = os.waitpid(self.pid, 0)
        said, _, writes = self.log.read_text("utf-8", "replace").partition("\0writes ")
        self.log.unlink()
        return Ended(os.waitstatus_to_exitcode(status), int(writes or 0), said)


def warm() -> None:
    """Import what the commands need."""
    for name in _LARGE:
        with suppress(ImportError):
            importlib.import_module(name)


def fork(
    do: Do, place: Path, nth: int = 1, befalling: Befalling | None = None, begin: Callable[[], None] | None = None
) -> Fork:
    """Start `do` with its temporary files and its cache within `place`; in its process `begin` is called first."""
    (place / "tmp").mkdir(exist_ok=True)
    file, log = tempfile.mkstemp(prefix="drill-", suffix=".log")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _work(do, place, nth, file, befalling, begin)
    os.close(file)
    return Fork(pid, Path(log))


def in_lanes(lanes: int, numbers: Iterable[int], do: Callable[[int], T], until: float) -> Iterator[tuple[int, T]]:
    """Yield what `do` returns for each number, worked on in forks of this process, so many at a time, until a time.

    Raises `RuntimeError` where one of them dies.
    """
    running: dict[int, tuple[int, IO[bytes]]] = {}
    left = iter(numbers)
    while True:
        while len(running) < lanes and time.monotonic() < until and (number := next(left, None)) is not None:
            answer = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
            sys.stdout.flush()
            if (pid := os.fork()) == 0:
                _answer(do, number, answer)
            running[pid] = number, answer
        if not running:
            return
        pid, _ = os.wait()
        number, answer = running.pop(pid)
        with answer:
            answer.seek(0)
            told = answer.read()
        if not told:
            raise RuntimeError(f"trial {number} has died")
        yield number, pickle.loads(told)  # noqa: S301 (our own fork's)


def _answer(do: Callable[[int], T], number: int, answer: IO[bytes]) -> None:
    try:
        answer.write(pickle.dumps(do(number)))
        answer.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _work(
    do: Do, place: Path, nth: int, log: int, befalling: Befalling | None, begin: Callable[[], None] | None
) -> None:
    code = 70
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ |= {"TMPDIR": str(place / "tmp"), "MOODFUSE_CACHE": str(place / "cache")}
        os.environ["MOODFUSE_PROBE_SECONDS"] = "60"  # a busy machine is not what is tried
        tempfile.tempdir = None
        if begin is not None:
            begin()
        writes = _watch(befalling)
        code = do(place, nth)
        sys.stdout.write(f"\0writes {len(writes)}")
    except MoodfuseError as error:  # as the command line tells it
        print(f"error: {error}")
        code = 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


def _watch(befalling: Befalling | None) -> list[str]:
    """Note every write of this process from now on, and have befall it what is to."""
    writes: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        flags = arguments[2] if event == "open" else 0
        if event in _WRITES or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
            writes.append(event)
            if befalling is not None and len(writes) == befalling.at:
                befalling.act()

    sys.addaudithook(hook)
    return writes


def dying(after: float) -> Callable[[], None]:
    """Return what ends a process without a word, at once or that many seconds later."""

    def act() -> None:
        if after:
            signal.setitimer(signal.ITIMER_REAL, after)  # SIGALRM, which nobody handles here
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    return act
