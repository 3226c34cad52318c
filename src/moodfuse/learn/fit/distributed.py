"""Training over several processes or GPUs of one machine: each takes its share of every batch."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from moodfuse.config import Config
from moodfuse.errors import MoodfuseError, TrainingError
from moodfuse.labels import Labels
from moodfuse.learn.batches import PostBatches, Share
from moodfuse.learn.fit.callbacks import History
from moodfuse.learn.fit.loop import FitResult, fit_one, kept_state
from moodfuse.learn.model import FusionModel
from moodfuse.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class _Job:
    """What each process is given; tensors in it are shared, not copied."""

    model: FusionModel
    train: PostBatches
    validation: PostBatches | None
    config: Config
    labels: Labels
    folder: Path


def fit_distributed(
    model: FusionModel,
    train: PostBatches,
    validation: PostBatches | None,
    config: Config,
    labels: Labels,
    folder: Path | None,
    *,
    save_history: Callable[[History], None] = lambda _: None,
    progress: Progress = silent,
) -> FitResult:
    """Train as `fit_one` does, in `train.devices` processes; `train.batch_size` stays the size of a whole step.

    Gradients are averaged over the processes (PyTorch's DistributedDataParallel; gloo on CPUs, NCCL on GPUs), and each
    validates all posts, so that all agree on when to stop. Raises what a process raised, and `TrainingError` where one
    was killed.
    """
    if len(train) < 2 * config.train.devices:
        raise TrainingError(
            f"train.devices={config.train.devices}: {len(train)} training posts are too few for two in each process"
        )
    train.random = None  # each process draws for itself
    with tempfile.TemporaryDirectory(prefix="moodfuse-ranks-") as scratch:
        place = folder or Path(scratch)
        result = _run(_Job(model, train, validation, config, labels, place), save_history, progress)
        model.load_state_dict(kept_state(place, config))
    model.eval()
    return result


def _run(job: _Job, save_history: Callable[[History], None], progress: Progress) -> FitResult:
    context = multiprocessing.get_context("spawn")  # a forked process would inherit PyTorch's threads half-dead
    count, port = job.config.train.devices, _free_port()
    processes: dict[Any, BaseProcess] = {}  # by the connection that each reports on
    try:
        for rank in range(count):
            ours, theirs = context.Pipe(duplex=False)
            process: BaseProcess = context.Process(
                target=_rank, args=(job, Share(rank, count), port, theirs), daemon=True
            )
            process.start()
            theirs.close()
            processes[ours] = process
        return _listen(processes, save_history, progress)
    finally:
        for process in processes.values():
            process.terminate()  # they have ended, or one has failed and the others wait for it
        for process in processes.values():
            process.join()


def _listen(
    processes: Mapping[Any, BaseProcess], save_history: Callable[[History], None], progress: Progress
) -> FitResult:
    """Pass on what the first process tells, until all have ended well."""
    running, result = dict(processes), None
    while running:
        for connection in wait(list(running)):
            try:
                kind, content = _receive(connection)
            except EOFError:
                running[connection].join()
                code = running.pop(connection).exitcode
                if code:
                    raise TrainingError(
                        f"a process that trained was ended (exit code {code}); most often memory ran out: "
                        "lower train.devices or train.batch_size, then run the same command again"
                    ) from None
                continue
            if kind == "progress":
                progress(*content)
            elif kind == "history":
                save_history(content)
            elif kind == "result":
                result = content
            elif kind == "error":
                raise content
            else:
                raise RuntimeError(f"in a process that trained:\n{content}")
    assert isinstance(result, FitResult)
    return result


def _receive(connection: Any) -> tuple[str, Any]:
    message: tuple[str, Any] = connection.recv()
    return message


def _rank(job: _Job, share: Share, port: int, report: Any) -> None:
    """Be one process of a training."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    lightning = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": share.of, "LOCAL_RANK": share.rank}
    os.environ |= {name: str(value) for name, value in lightning.items()}
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // share.of))
    parent = multiprocessing.parent_process()

    def tell(what: str, done: int, total: int) -> None:
        if parent is not None and not parent.is_alive():
            os._exit(1)
        if share.rank == 0:
            report.send(("progress", (what, done, total)))

    def save_history(rows: History) -> None:
        if share.rank == 0:
            report.send(("history", rows))

    try:
        result = fit_one(
            copy.deepcopy(job.model),  # what came lies in memory that the processes share
            job.train,
            job.validation,
            job.config,
            job.labels,
            job.folder,
            share=share,
            save_history=save_history,
            progress=tell,
        )
        if share.rank == 0:
            report.send(("result", result))
    except MoodfuseError as error:
        report.send(("error", error))
    except BaseException:
        report.send(("fault", traceback.format_exc()))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
