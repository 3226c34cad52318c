"""The one fit loop: every regime, on Lightning, resumable at each epoch's start."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from moodfuse.config import Config
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.learn.batches import LengthBatches, PostBatches, loader
from moodfuse.learn.callbacks import History, KeepBest, KeepHistory, Patience, SafeCheckpoint, TellProgress
from moodfuse.learn.checkpoints import SUFFIX, SafeCheckpointIO, load_model_state
from moodfuse.learn.devices import device_type, has_fast_bf16
from moodfuse.learn.model import Batch, FusionModel
from moodfuse.learn.optimisation import class_weights, freeze, parameter_groups, rate_schedule
from moodfuse.progress import Progress, silent

_LARGE = 1_000_000  # trained weights: below it, casting to bf16 costs what its arithmetic saves


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fit leaves: the model holds the state of `best_epoch` (0-based), by the validation monitor."""

    history: History
    best_epoch: int


class _FitModule(lightning.LightningModule):
    """A fusion model with its losses, scores and optimiser."""

    def __init__(self, model: FusionModel, config: Config, labels: Labels, weights: Tensor, steps: int) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.labels = labels
        self.steps = steps
        self.register_buffer("class_weights", weights, persistent=False)
        self.average: AveragedModel | None = None
        if decay := config.train.average:
            self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
            self.average.requires_grad_(False)
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._sums = torch.zeros(3)

    @property
    def kept(self) -> FusionModel:
        """The model that is validated and kept: the average of weights, where one is taken."""
        if self.average is None:
            return self.model
        averaged: FusionModel = self.average.module  # type: ignore[assignment]
        return averaged

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout draws from here: a function of (seed, epoch), so that a resumed epoch repeats itself. Not at the
        # epoch's start: between there and here Lightning draws once or twice, by whether it has resumed.
        if batch_idx == 0:
            self._sums = torch.zeros(3, device=self.device)  # loss, hits, posts
            torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        output = self.model(batch)
        loss = self._loss(output.logits, batch.targets)
        if self.config.model.auxiliary:
            for logits in (output.text, output.image):
                if logits is not None:
                    loss = loss + self.config.model.auxiliary * self._loss(logits, batch.targets)
        if self.config.optim.l2:
            loss = loss + self.config.optim.l2 * self._squared_weights()
        self._tally(loss, output.logits, batch.targets)
        return loss

    def _tally(self, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Sum loss and hits up, and log their means with the last batch: a log a step costs more than a small head."""
        hits = (logits.argmax(-1) == targets).sum()
        self._sums += torch.stack([loss.detach().float() * len(targets), hits, hits.new_tensor(len(targets))])
        if self.trainer.is_last_batch:
            self.log("train_loss", self._sums[0] / self._sums[2])
            self.log("train_accuracy", self._sums[1] / self._sums[2])

    def on_train_batch_end(self, *_: Any) -> None:
        if self.average is not None:
            self.average.update_parameters(self.model)

    def validation_step(self, batch: Batch, _: int) -> None:
        self._seen.append((self.kept(batch).logits.float().cpu(), batch.targets.cpu()))

    def on_validation_epoch_end(self) -> None:
        logits = torch.cat([one for one, _ in self._seen])  # (N, classes)
        targets = torch.cat([one for _, one in self._seen])  # (N,)
        self._seen.clear()
        scores = score(targets.numpy(), logits.argmax(-1).numpy(), self.labels)
        self.log("val_loss", F.cross_entropy(logits, targets))
        self.log("val_accuracy", scores.accuracy)
        self.log("val_macro_f1", scores.macro_f1)

    def configure_optimizers(self) -> Any:
        optim = self.config.optim
        groups = parameter_groups(self.model, self.model.encoders, optim)
        optimizer = AdamW(groups, fused=True)  # one pass over the weights instead of ten
        scheduler = LambdaLR(optimizer, rate_schedule(self.steps, optim.warmup, optim.schedule))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        weights: Tensor = self.class_weights  # type: ignore[assignment]
        smoothing = self.config.train.label_smoothing
        return F.cross_entropy(logits.float(), targets, weight=weights, label_smoothing=smoothing)

    def _squared_weights(self) -> Tensor:
        # The explicit L2 term of one report: of what is learned anew, not of the pretrained weights.
        named = self.model.named_parameters()
        squares = [p.square().sum() for name, p in named if not name.startswith("encoders.") and p.ndim > 1]
        return torch.stack(squares).sum()


def fit_one(
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
    """Train `model` and leave it in its best state; checkpoints go to `folder`, and training resumes from there.

    Without a folder nothing is written, and nothing can be resumed. With `train.monitor=none` the last state is kept,
    and `validation` may be `None`, or empty.
    """
    for encoder in model.encoders.values():
        freeze(encoder, config.train.freeze)
    batches = LengthBatches(len(train), config.train.batch_size, lengths=train.lengths, seed=config.seed)
    steps = len(batches) * config.train.epochs
    module = _FitModule(
        model, config, labels, class_weights(train.targets[train.rows], len(labels), config.train.class_weights), steps
    )
    history = KeepHistory(save_history)
    watched = _Watched.of(config)
    best = KeepBest(lambda: module.kept, watched.name, mode=watched.mode)
    keeping: list[Callback] = _checkpoints(folder, watched) if folder else [best] if watched.name else []
    trainer = _trainer(config, [history, TellProgress(progress, steps)], keeping, watched, model)
    batches.epoch = lambda: trainer.current_epoch
    train.random = lambda row: np.random.default_rng([config.seed, trainer.current_epoch, row])
    checks = None
    if validation:
        order = LengthBatches(len(validation), max(64, config.train.batch_size), lengths=validation.lengths)
        checks = loader(validation, order)
    model.train()  # Lightning keeps each submodule's mode, and encoders are loaded in eval mode: without dropout
    on_interrupt = signal.getsignal(signal.SIGINT)
    with _quiet_lightning():
        try:
            trainer.fit(
                module,
                loader(train, batches),
                checks,
                ckpt_path=_last(folder),
            )
        except SystemExit:  # what Lightning makes of Ctrl-C
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, on_interrupt)  # Lightning has switched Ctrl-C off, for good
            raise KeyboardInterrupt from None
    if folder:
        state = load_model_state(folder / f"{'best' if watched.name else 'last'}{SUFFIX}")
    else:
        state = best.state if watched.name else module.kept.state_dict()
    model.load_state_dict(state)
    model.eval()
    return FitResult(history.rows, best_epoch(history.rows, config.train.monitor))


def best_epoch(history: History, monitor: str) -> int:
    """Return the epoch whose state is kept: the first with the best validation score, or the last without one."""
    if monitor == "none":
        return int(history[-1]["epoch"])
    sign = -1 if monitor == "loss" else 1
    return int(max(history, key=lambda row: (sign * row[f"val_{monitor}"], -row["epoch"]))["epoch"])


def resolve_precision(config: Config, model: nn.Module) -> str:
    """Return fp32 or bf16: what is asked for; of itself bf16 where it is fast and `model` large enough to gain."""
    if config.train.precision == "auto":
        trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        return "bf16" if trained > _LARGE and has_fast_bf16() else "fp32"
    return config.train.precision


class _Bf16(MixedPrecision):
    """bf16 arithmetic on fp32 weights. Its gradients are never scaled, so a fused optimiser's may be clipped too."""

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def clip_gradients(self, *arguments: Any, **options: Any) -> None:
        Precision.clip_gradients(self, *arguments, **options)


@dataclass(frozen=True, slots=True)
class _Watched:
    """The score that the best epoch is told by; no name where the last one is kept."""

    name: str
    mode: str

    @classmethod
    def of(cls, config: Config) -> _Watched:
        monitor = config.train.monitor
        return cls("" if monitor == "none" else f"val_{monitor}", "min" if monitor == "loss" else "max")


def _last(folder: Path | None) -> str | None:
    path = folder and folder / f"last{SUFFIX}"
    return str(path) if path and path.exists() else None


def _checkpoints(folder: Path, watched: _Watched) -> list[Callback]:
    # `best` before `last`: a kill between the two repeats an epoch, the other way round it would lose one.
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


def _trainer(
    config: Config, callbacks: list[Callback], keeping: list[Callback], watched: _Watched, model: nn.Module
) -> lightning.Trainer:
    if config.train.patience:
        callbacks = [*callbacks, Patience(watched.name, mode=watched.mode, patience=config.train.patience)]
    bf16 = resolve_precision(config, model) == "bf16"
    with _quiet_lightning():
        return lightning.Trainer(
            accelerator=config.train.device,
            devices=config.train.devices,
            max_epochs=config.train.epochs,
            gradient_clip_val=config.optim.clip or None,
            callbacks=[*callbacks, *keeping],
            plugins=[SafeCheckpointIO(), _Bf16(device_type(config.train.device)) if bf16 else Precision()],
            logger=False,
            enable_checkpointing=any(isinstance(one, SafeCheckpoint) for one in keeping),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )


@contextlib.contextmanager
def _quiet_lightning() -> Any:
    # Lightning talks of loggers, workers and litlogger tips; moodfuse tells its users itself.
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
