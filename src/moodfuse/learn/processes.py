"""Child processes that send messages to this process, which notices when they end, for whatever reason."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

from moodfuse.errors import MoodfuseError, TrainingError
from moodfuse.runtime.parent import end_with_parent

_GRACE = 5.0  # seconds that a process has to end after the request
_Running = dict[Any, BaseProcess]  # by the connection that each process sends on


class Parent:
    """The process that started this process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, message: object) -> None:
        """Send the parent a message, which must survive pickling."""
        self._connection.send(("message", message))


@contextlib.contextmanager
def processes(
    jobs: Sequence[Callable[[Parent], None]],
    *,
    who: str,
    why_ended: Callable[[int], str],
    environment: Mapping[str, str] | None = None,
) -> Iterator[Iterator[Any]]:
    """Run each of `jobs` in its own process; yield an iterator over their messages, as they arrive, until all end.

    The jobs must survive pickling; `environment` holds variables that their processes start with. The iterator raises
    the error of a job: a `MoodfuseError` as it is, any other as a `RuntimeError` that names `who`. If a process fails
    without reporting an error, it raises `TrainingError` with the text that `why_ended` returns for the exit code.
    Leaving the block waits until all processes have ended; leaving it with an error, Ctrl-C included, ends them.
    """
    context = multiprocessing.get_context("spawn")  # a forked process would inherit PyTorch's threads in a broken state
    running: _Running = {}
    try:
        with _environment(environment or {}):
            for job in jobs:
                ours, theirs = context.Pipe(duplex=False)
                # The job is unpickled only once the process watches its parent: that may import PyTorch, for seconds.
                packed = bytes(ForkingPickler.dumps(job))
                process: BaseProcess = context.Process(target=_work, args=(packed, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = process
        yield _listen(running, who, why_ended)
    except BaseException:
        _end(running)
        raise
    finally:
        for process in running.values():
            process.join()


def _end(running: _Running) -> None:
    """End the processes by request; after `_GRACE` seconds, kill those that still run."""
    for process in running.values():
        process.terminate()
    deadline = time.monotonic() + _GRACE
    for process in running.values():
        process.join(max(0.0, deadline - time.monotonic()))
        # Lightning answers the request with a message to the other processes; those that have ended never receive it.
        process.kill()


def _listen(running: _Running, who: str, why_ended: Callable[[int], str]) -> Iterator[Any]:
    open_ends = dict(running)
    while open_ends:
        for connection in wait(list(open_ends)):
            try:
                kind, content = _receive(connection)
            except (EOFError, OSError):
                process = open_ends.pop(connection)
                process.join()
                if process.exitcode:
                    raise TrainingError(why_ended(process.exitcode)) from None
                continue
            if kind == "error":
                raise content
            if kind == "fault":
                raise RuntimeError(f"{who}:\n{content}")
            yield content


def _receive(connection: Any) -> tuple[str, Any]:
    received: tuple[str, Any] = connection.recv()
    return received


def _work(packed: bytes, connection: Connection) -> None:
    """Run a job in its process, which ends with its parent, and report its error."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    try:
        job: Callable[[Parent], None] = pickle.loads(packed)  # noqa: S301 (our parent's)
        job(Parent(connection))
    except MoodfuseError as error:
        connection.send(("error", error))
    except BaseException:
        connection.send(("fault", traceback.format_exc()))


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
