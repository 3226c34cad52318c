"""Lightning's trainer as moodfuse sets it up: precision, checkpoints, callbacks, no output of its own."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from moodfuse.config import Config
from moodfuse.learn.batches import Share
from moodfuse.learn.fit.callbacks import Patience, SafeCheckpoint
from moodfuse.learn.fit.checkpoints import SUFFIX, read_checkpoint, write_checkpoint
from moodfuse.learn.fit.devices import device_type, has_fast_bf16
from moodfuse.learn.fit.history import Watched

_LARGE = 1_000_000  # weights of a model: below this, casting to bf16 costs the time that its arithmetic saves


def resolve_precision(config: Config, model: nn.Module) -> str:
    """Return `train.precision`, fp32 or bf16; `auto` is bf16 if that is fast here and `model` large enough to gain."""
    if config.train.precision == "auto":
        weights = sum(parameter.numel() for parameter in model.parameters())
        return "bf16" if weights > _LARGE and has_fast_bf16() else "fp32"
    return config.train.precision


class _Bf16(MixedPrecision):
    """bf16 arithmetic on fp32 weights. Gradients are never scaled, so a fused optimiser's can be clipped too."""

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def clip_gradients(self, *arguments: Any, **options: Any) -> None:
        Precision.clip_gradients(self, *arguments, **options)


class _SafeCheckpointIO(CheckpointIO):
    """Has Lightning write and read its checkpoints as safetensors and JSON."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def last_checkpoint(folder: Path | None) -> str | None:
    """Return the checkpoint from which a training resumes, or `None` if there is no checkpoint."""
    path = folder and folder / f"last{SUFFIX}"
    return str(path) if path and path.exists() else None


def checkpoints(folder: Path, watched: Watched) -> list[Callback]:
    """Return the callbacks that write the best and the last state to `folder`."""
    # `best` before `last`: a kill between the two repeats an epoch; in the other order it would lose an epoch.
    best = [("best", {"monitor": watched.name, "mode": watched.mode})] if watched.name else []
    return [
        SafeCheckpoint(
            dirpath=folder,
            filename=name,
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
            **options,  # type: ignore[arg-type]
        )
        for name, options in [*best, ("last", {})]
    ]


def make_trainer(
    config: Config, callbacks: list[Callback], keeping: list[Callback], model: nn.Module, share: Share
) -> lightning.Trainer:
    """Return a trainer for `model` with `callbacks` and `keeping`, the callbacks that keep its best or last state."""
    if config.train.patience:
        watched = Watched(config.train.monitor)
        callbacks = [*callbacks, Patience(watched.name, mode=watched.mode, patience=config.train.patience)]
    bf16 = resolve_precision(config, model) == "bf16"
    # A learned token that no post of a batch needs, or a head without a loss, has no gradient.
    strategy = DDPStrategy(find_unused_parameters=True) if share.count > 1 else "auto"
    with quiet_lightning():
        return lightning.Trainer(
            accelerator=config.train.device,
            devices=share.count,
            strategy=strategy,
            max_epochs=config.train.epochs,
            gradient_clip_val=config.optim.clip or None,
            callbacks=[*callbacks, *keeping],
            plugins=[_SafeCheckpointIO(), _Bf16(device_type(config.train.device)) if bf16 else Precision()],
            logger=False,
            enable_checkpointing=any(isinstance(callback, SafeCheckpoint) for callback in keeping),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )


@contextlib.contextmanager
def ctrl_c() -> Iterator[None]:
    """Raise `KeyboardInterrupt` in place of the `SystemExit` that Lightning raises on Ctrl-C."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)  # Lightning has disabled Ctrl-C for good
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning and its warnings."""
    # Lightning reports on loggers, workers and litlogger tips; moodfuse reports to its users itself.
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
