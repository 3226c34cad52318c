"""Predict on Ray: it says where a block is worked on and by whom, and starts dead workers anew. What, says the job."""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

# Ray reports its use to its makers unless it is told not to before it is imported.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

# What Ray's own C++ writes to stderr is about Ray; its log files have it all where this is set to info.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

import ray
import ray.data
import ray.exceptions

from moodfuse.data.formats.base import Run
from moodfuse.errors import ConfigError, MoodfuseError
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.devices import CPU
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.summary import Summary
from moodfuse.scale.blocks import predict_block
from moodfuse.scale.job import Block, Job
from moodfuse.scale.ledger import Ledger, check_worker

CONNECT_SECONDS, REACH_SECONDS = 10.0, 45.0
_STORE_BYTES = 128 * 2**20  # Ray's own store holds nothing but descriptions of blocks
_MOST_TASKS = 4_096


class WorkerError(MoodfuseError):
    """What a worker found wrong; the line is the one that it would have told on a machine alone."""


@dataclass(slots=True)
class Outcome:
    """What a job came to: counts of all blocks, those worked on now, and what they took."""

    summary: Summary = field(default_factory=Summary)
    blocks: int = 0
    #: Blocks and rows worked on by this call; the others were there.
    done: int = 0
    rows: int = 0
    #: Seconds before the first worker began with its first block, and from then to the end of the last.
    startup_seconds: float = 0.0
    seconds: float = 0.0
    #: Largest memory of a worker, in bytes.
    worker_bytes: int = 0
    #: Rows worked on by this call, by the device that the encoders ran on.
    devices: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers, CPU threads each, and where: `None` starts Ray on this machine, for the time of the job.

    `device` is where each worker's encoders run; a node without it goes on with its CPU.
    """

    count: int | None = None
    threads: int = 1
    device: str = CPU
    address: str | None = None


class _Done(TypedDict):
    """What a worker says of a block: its counts as JSON, or an error; times in seconds since 1970, memory in bytes.

    `device` is where its encoders ran, empty if they did not.
    """

    index: int
    summary: str
    error: str
    device: str
    peak: int
    began: float
    ended: float


class BlockWorker:
    """What each of Ray's actors holds: a `Predictor`. Errors of the user's making come back as a line, not a trace."""

    def __init__(self, job: Job, identity: dict[str, Any], workers: Workers) -> None:
        self._job = job
        self._identity = identity
        self._workers = workers
        self._predictor: Predictor | None = None

    def __call__(self, row: dict[str, Any]) -> _Done:
        began = time.time()
        block = _block(json.loads(row["block"]))
        summary, error = Summary(), ""
        try:
            predictor = self._loaded()
            began = time.time()  # opening the model is start-up
            summary = predict_block(predictor, self._job, block)
        except MoodfuseError as found:
            error = str(found)
        # ru_maxrss counts bytes on macOS, KiB elsewhere.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        counts = json.dumps(summary.as_json())
        device = self._predictor.device if self._predictor else ""
        ended = time.time()
        return _Done(index=block.index, summary=counts, error=error, device=device, peak=peak, began=began, ended=ended)

    def _loaded(self) -> Predictor:
        if self._predictor is None:
            bundle = read_bundle(self._job.bundle)
            check_worker(self._job, bundle, self._identity)
            self._predictor = Predictor(bundle, threads=self._workers.threads, device=self._workers.device)
        return self._predictor


def ray_predict(job: Job, workers: Workers = Workers(), *, progress: Progress = silent) -> Outcome:
    """Predict every post of a job's source into part files, block by block, on Ray; blocks that are there stay.

    Raises `OutputError` for a destination that will not do, `DataError` for a bad source, `ConfigError` where
    Ray cannot be reached or has no room, and `WorkerError` for what a worker finds.
    """
    called = time.time()
    ledger = Ledger(job)
    if ledger.complete:
        return Outcome(ledger.summary, blocks=len(ledger.finished))
    if workers.address:
        _check_address(workers.address)
    total, todo = 0, list[Block]()
    blocks = 0
    for block in job.blocks():
        blocks, total = blocks + 1, total + block.run.rows
        if block.index not in ledger.finished:
            todo.append(block)
    ledger.begin(blocks, total)
    outcome = Outcome(blocks=blocks)
    if todo:
        with _connected(workers) as cpus:
            count = _count(workers, cpus, len(todo), goes_on=bool(ledger.finished))
            handed = replace(job, layout=job.find_layout())  # found here, once, and not by every worker
            answers = _answers(handed, ledger.identity, todo, replace(workers, count=count))
            began, ended = _gather(answers, ledger, outcome, lambda done: progress("predicting", done, total))
        outcome.startup_seconds, outcome.seconds = began - called, ended - began
    outcome.summary = ledger.summary
    return outcome


def _count(workers: Workers, cpus: int, blocks: int, *, goes_on: bool) -> int:
    """Return how many workers to start. Raises `ConfigError` where so many do not fit."""
    room = cpus // workers.threads
    count = min(workers.count or max(1, room), blocks)
    if goes_on and room:
        count = min(count, room)  # a job goes on where nodes have gone since it began
    if count * workers.threads > cpus:
        raise ConfigError(
            f"expected {count} workers of {workers.threads} CPU threads, found {cpus} CPUs; ask for fewer, or add nodes"
        )
    return count


def _gather(
    answers: Iterator[_Done], ledger: Ledger, outcome: Outcome, tell: Callable[[int], None]
) -> tuple[float, float]:
    """Note what became of each block; return when the first was begun and the last ended."""
    began, ended, rows = float("inf"), 0.0, ledger.summary.posts
    for answer in answers:
        if answer["error"]:
            raise WorkerError(answer["error"])
        summary = Summary.from_json(json.loads(answer["summary"]))
        ledger.add(int(answer["index"]), summary)
        began, ended = min(began, answer["began"]), max(ended, answer["ended"])
        rows += summary.posts
        outcome.done += 1
        outcome.rows += summary.posts
        outcome.devices[answer["device"]] += summary.posts
        outcome.worker_bytes = max(outcome.worker_bytes, int(answer["peak"]))
        tell(rows)
    return began, ended


def _answers(job: Job, identity: dict[str, Any], todo: list[Block], workers: Workers) -> Iterator[_Done]:
    """Yield what became of each block, as it is finished."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    described = [{"block": json.dumps(_described(block))} for block in todo]
    blocks = ray.data.from_items(described, override_num_blocks=min(len(described), _MOST_TASKS))
    done = blocks.map(
        BlockWorker,
        fn_constructor_args=(job, identity, workers),
        # Two tasks a worker: the next one waits there already, and at the end few wait behind a slow one.
        compute=ray.data.ActorPoolStrategy(size=workers.count, max_tasks_in_flight_per_actor=2),
        # Ray binds a task to its worker for good. Half of what a worker uses is asked for, so that when nodes go the
        # workers that they held find room on those that are left, instead of waiting for ever.
        num_cpus=workers.threads / 2,
    )
    yield from done.iter_rows()


def _described(block: Block) -> dict[str, Any]:
    return {"index": block.index, "run": asdict(block.run) | {"path": str(block.run.path)}}


def _block(value: dict[str, Any]) -> Block:
    return Block(value["index"], Run(**value["run"] | {"path": Path(value["run"]["path"])}))


@contextmanager
def _connected(workers: Workers) -> Iterator[int]:
    """Give the number of CPUs of the Ray that is there already, at an address, or started here for the while."""
    if ray.is_initialized():
        yield int(ray.cluster_resources().get("CPU", 0))
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    cpus = max(os.cpu_count() or 1, (workers.count or 1) * workers.threads)
    here: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    here |= {"address": "local", "num_cpus": cpus, "object_store_memory": _STORE_BYTES}
    try:
        with _hushed():
            ray.init(**({"address": workers.address} if workers.address else here), **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"{workers.address or 'this machine'}: Ray cannot be started or reached ({reason})") from None
    try:
        yield int(ray.cluster_resources().get("CPU", 0))
    finally:
        ray.shutdown()


@contextmanager
def _hushed() -> Iterator[None]:
    """Leave out what Ray's C++ writes to stderr as it starts, which is about Ray. Errors are raised."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _check_address(address: str) -> None:
    """Raise `ConfigError` for an address where nobody listens: Ray itself would wait for long, and say much."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or "/" in address:
        raise ConfigError(f"--address: expected host:port of a Ray cluster, or auto, found {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address, str(error)) from None
    # Where something else listens, ray.init may wait for ever, and nothing stops it but the end of its process.
    try:
        code = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False)"
        command = [sys.executable, "-P", "-c", code, address]
        subprocess.run(command, timeout=REACH_SECONDS, check=True, capture_output=True)
    except subprocess.TimeoutExpired:
        raise _nobody(address, f"what listens there says nothing of Ray for {REACH_SECONDS:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise _nobody(
            address, (error.stderr.decode(errors="replace").strip().splitlines() or ["no reason"])[-1]
        ) from None


def _nobody(address: str, reason: str) -> ConfigError:
    return ConfigError(
        f"--address: no Ray cluster answers at {address} ({reason}); start one (ray start --head), or check the port"
    )
