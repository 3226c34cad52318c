"""The one fit loop: every regime, on Lightning, resumable at each epoch's start."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from moodfuse.config import Config
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.learn.batches import WHOLE, LengthBatches, PostBatches, Share, loader
from moodfuse.learn.fit.callbacks import History, KeepBest, KeepHistory, TellProgress
from moodfuse.learn.fit.checkpoints import SUFFIX, load_model_state
from moodfuse.learn.fit.optimisation import class_weights, classification_loss, freeze, parameter_groups, rate_schedule
from moodfuse.learn.fit.trainer import Watched, checkpoints, last_checkpoint, make_trainer, quiet_lightning
from moodfuse.learn.model import Batch, FusionModel, Output
from moodfuse.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fit leaves: the model holds the state of `best_epoch` (0-based), by the validation monitor."""

    history: History
    best_epoch: int
    parameters: int  # those that trained


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
            torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch + self.global_rank * 1_000_000_007)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        output = self.model(batch)
        loss = self._loss_of(output, batch.targets)
        if self.config.optim.l2:
            loss = loss + self.config.optim.l2 * self._squared_weights()
        self._tally(loss, output.logits, batch.targets)
        return loss

    def _tally(self, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Sum loss and hits up, and log their means with the last batch: a log a step costs more than a small head."""
        hits = (logits.argmax(-1) == targets).sum()
        self._sums += torch.stack([loss.detach().float() * len(targets), hits, hits.new_tensor(len(targets))])
        if self.trainer.is_last_batch:
            self.log("train_loss", self._sums[0] / self._sums[2], sync_dist=True)
            self.log("train_accuracy", self._sums[1] / self._sums[2], sync_dist=True)

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

    def _loss_of(self, output: Output, targets: Tensor) -> Tensor:
        """Return the loss of the logits, the auxiliary heads' included."""
        loss = self._loss(output.logits, targets)
        if weight := self.config.model.auxiliary:
            for logits in (output.text, output.image):
                if logits is not None:
                    loss = loss + weight * self._loss(logits, targets)
        return loss

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        weights: Tensor = self.class_weights  # type: ignore[assignment]
        train = self.config.train
        return classification_loss(logits.float(), targets, weights, how=train.loss, smoothing=train.label_smoothing)

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
    share: Share = WHOLE,
    save_history: Callable[[History], None] = lambda _: None,
    progress: Progress = silent,
) -> FitResult:
    """Train `model` and leave it in its best state; checkpoints go to `folder`, and training resumes from there.

    Without a folder nothing is written, and nothing can be resumed. With `train.monitor=none` the last state is kept,
    and `validation` may be `None`, or empty. `share` says which process of a distributed training this is.
    """
    for encoder in model.encoders.values():
        freeze(encoder, config.train.freeze)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    batches = LengthBatches(len(train), config.train.batch_size, lengths=train.lengths, seed=config.seed, share=share)
    steps = len(batches) * config.train.epochs
    module = _FitModule(
        model, config, labels, class_weights(train.targets[train.rows], len(labels), config.train.class_weights), steps
    )
    history = KeepHistory(save_history)
    watched = Watched.of(config)
    best = KeepBest(lambda: module.kept, watched.name, mode=watched.mode)
    keeping: list[Callback] = checkpoints(folder, watched) if folder else [best] if watched.name else []
    trainer = make_trainer(config, [history, TellProgress(progress, steps)], keeping, model, share)
    batches.epoch = lambda: trainer.current_epoch
    train.random = lambda row: np.random.default_rng([config.seed, trainer.current_epoch, row])
    checks = None
    if validation:
        order = LengthBatches(len(validation), max(64, config.train.batch_size), lengths=validation.lengths)
        checks = loader(validation, order)
    model.train()  # Lightning keeps each submodule's mode, and encoders are loaded in eval mode: without dropout
    on_interrupt = signal.getsignal(signal.SIGINT)
    with quiet_lightning():
        try:
            trainer.fit(
                module,
                loader(train, batches),
                checks,
                ckpt_path=last_checkpoint(folder),
            )
        except SystemExit:  # what Lightning makes of Ctrl-C
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, on_interrupt)  # Lightning has switched Ctrl-C off, for good
            raise KeyboardInterrupt from None
    kept = best.state if watched.name else module.kept.state_dict()
    model.load_state_dict(kept_state(folder, config) if folder else kept)
    model.eval()
    return FitResult(history.rows, best_epoch(history.rows, config.train.monitor), trained)


def kept_state(folder: Path, config: Config) -> dict[str, Tensor]:
    """Return the weights that a training kept in `folder`."""
    return load_model_state(folder / f"{'best' if Watched.of(config).name else 'last'}{SUFFIX}")


def best_epoch(history: History, monitor: str) -> int:
    """Return the epoch whose state is kept: the first with the best validation score, or the last without one."""
    if monitor == "none":
        return int(history[-1]["epoch"])
    sign = -1 if monitor == "loss" else 1
    return int(max(history, key=lambda row: (sign * row[f"val_{monitor}"], -row["epoch"]))["epoch"])
