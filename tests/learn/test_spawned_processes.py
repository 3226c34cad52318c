"""Processes that work for another: what they tell arrives, what goes wrong in them is told, and none is left."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from moodfuse.errors import DataError, TrainingError
from moodfuse.learn.processes import Parent, processes

NAME = "MOODFUSE_TEST_VARIABLE"


def count(start: int, parent: Parent) -> None:
    for i in range(start, start + 3):
        parent.tell((i, os.environ.get(NAME)))


def wait_for_long(parent: Parent) -> None:
    parent.tell("waiting")
    time.sleep(600)


def refuse(_: Parent) -> None:
    raise DataError("no such post")


def fail(_: Parent) -> None:
    raise ZeroDivisionError("ours")


def interrupt() -> None:
    raise KeyboardInterrupt


def ended(code: int) -> str:
    return f"ended with {code}"


def heard(
    jobs: Sequence[Callable[[Parent], None]], hear: Callable[[], object] = lambda: None, **options: Any
) -> list[Any]:
    """Return all that the jobs tell; `hear` is called after each message."""
    messages = []
    with processes(jobs, who="a counter failed", why_ended=ended, **options) as told:
        for message in told:
            messages.append(message)
            hear()
    return messages


def test_all_that_is_told_arrives_and_the_variables_are_theirs_alone() -> None:
    told = heard([partial(count, 0), partial(count, 10)], environment={NAME: "here"})
    assert [number for number, _ in told if number < 10] == [0, 1, 2]
    assert [number for number, _ in told if number >= 10] == [10, 11, 12]
    assert {value for _, value in told} == {"here"}
    assert NAME not in os.environ


@pytest.mark.parametrize(
    ("job", "error", "says"),
    [(refuse, DataError, "^no such post$"), (fail, RuntimeError, "(?s)^a counter failed:\n.*ZeroDivisionError: ours")],
)
def test_an_error_is_raised_here_and_the_others_end(
    job: Callable[[Parent], None], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        heard([wait_for_long, job])
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_is_told_and_the_others_end() -> None:
    with pytest.raises(TrainingError, match=r"^ended with -9$"):
        heard([wait_for_long] * 2, lambda: multiprocessing.active_children()[0].kill())
    assert multiprocessing.active_children() == []


def test_an_interrupt_ends_them() -> None:
    with pytest.raises(KeyboardInterrupt):
        heard([wait_for_long], interrupt)
    assert multiprocessing.active_children() == []


def ignore_requests(parent: Parent) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_for_long(parent)


def test_a_process_that_does_not_end_when_it_is_asked_to_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a training that waits for another process, which has been ended, to answer."""
    monkeypatch.setattr("moodfuse.learn.processes._GRACE", 0.1)
    with pytest.raises(KeyboardInterrupt):
        heard([ignore_requests], interrupt)
    assert multiprocessing.active_children() == []


def live_with_the_parent(parent: Parent) -> None:
    parent.tell(os.getpid())
    while True:
        time.sleep(0.05)


def be_a_parent() -> None:
    with processes([live_with_the_parent], who="a child failed", why_ended=ended) as told:
        for number in told:
            print(number, flush=True)


class LongToUnpickle:
    """A job that takes as long to arrive as one that imports PyTorch on a busy machine."""

    def __call__(self, parent: Parent) -> None:
        raise AssertionError(parent)

    def __reduce__(self) -> tuple[Any, ...]:
        return time.sleep, (60,)


def be_a_parent_of_one_that_starts() -> None:
    with processes([LongToUnpickle()], who="a child failed", why_ended=ended):
        time.sleep(1)  # until it is there
        print(multiprocessing.active_children()[0].pid, flush=True)
        time.sleep(60)


@pytest.mark.parametrize("function", [be_a_parent, be_a_parent_of_one_that_starts])
def test_a_process_whose_parent_was_killed_ends_too(function: Callable[[], None]) -> None:
    name = function.__name__
    command = [sys.executable, "-c", f"from test_spawned_processes import {name}; {name}()"]
    given = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=given) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        try:
            parent.communicate(timeout=30)  # what they write ends with the last of those that write, the child
        except subprocess.TimeoutExpired:
            os.kill(child, signal.SIGKILL)
            pytest.fail("the process outlived its parent")
