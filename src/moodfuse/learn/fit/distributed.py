"""Training over several processes or GPUs of one machine: each takes its share of every batch."""

from __future__ import annotations

import copy
import os
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from moodfuse.config import Config
from moodfuse.errors import TrainingError
from moodfuse.learn.batches import Parts, Share
from moodfuse.learn.fit.history import FitResult, History, Hooks
from moodfuse.learn.fit.loop import fit_one, kept_state
from moodfuse.learn.model import FusionModel
from moodfuse.learn.processes import Parent, processes
from moodfuse.staging import temporary_folder


@dataclass(frozen=True, slots=True)
class _Job:
    """The arguments of each process; their tensors are shared, not copied."""

    model: FusionModel
    parts: Parts
    config: Config
    folder: Path


def fit_distributed(model: FusionModel, parts: Parts, config: Config, folder: Path | None, hooks: Hooks) -> FitResult:
    """Train as `fit_one` does, in `train.devices` processes; `train.batch_size` stays the size of a whole step.

    Gradients are averaged over the processes (PyTorch's DistributedDataParallel; gloo on CPUs, NCCL on GPUs), and each
    process validates all posts, so that all agree on when to stop. Raises the error that a process raised, and
    `TrainingError` if a process was killed.
    """
    count = config.train.devices
    if len(parts.train) < 2 * count:
        raise TrainingError(
            f"train.devices={count}: {len(parts.train)} training posts are too few for two in each process"
        )
    parts.train.random = None  # each process sets its own generator
    with temporary_folder("ranks") as scratch:
        place = folder or scratch
        job, port = _Job(model, parts, config, place), _free_port()
        ranks = [partial(_rank, job, Share(rank, count), port) for rank in range(count)]
        result = None
        with processes(ranks, who="in a process that trained", why_ended=_why_ended) as told:
            for kind, content in told:
                if kind == "progress":
                    hooks.progress(*content)
                elif kind == "history":
                    hooks.save_history(content)
                else:
                    result = content
        assert isinstance(result, FitResult)
        model.load_state_dict(kept_state(place, config.train))
    model.eval()
    return result


def _rank(job: _Job, share: Share, port: int, parent: Parent) -> None:
    """Run a process of a training."""
    lightning = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": share.count, "LOCAL_RANK": share.rank}
    os.environ |= {name: str(value) for name, value in lightning.items()}
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // share.count))

    def tell(kind: str, content: object) -> None:
        if share.rank == 0:
            parent.tell((kind, content))

    def save_history(rows: History) -> None:
        tell("history", rows)

    def progress(what: str, done: int, total: int) -> None:
        tell("progress", (what, done, total))

    model = copy.deepcopy(job.model)  # the job's model lies in memory that the processes share
    tell("result", fit_one(model, job.parts, job.config, job.folder, Hooks(save_history, progress), share))


def _why_ended(code: int) -> str:
    return (
        f"a process that trained was ended (exit code {code}); most often memory ran out: "
        "lower train.devices or train.batch_size, then run the same command again"
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
