"""The fit loop of all regimes: on Lightning, resumable at the start of each epoch."""

from __future__ import annotations

from functools import partial
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

from moodfuse.config import Config, TrainConfig
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.learn.batches import WHOLE, LengthBatches, Parts, Share, loader
from moodfuse.learn.fit.callbacks import KeepBest, KeepHistory, TellProgress
from moodfuse.learn.fit.checkpoints import best_or_last, load_model_state
from moodfuse.learn.fit.dropout import fast_dropout
from moodfuse.learn.fit.history import SILENT, FitResult, Hooks, Watched
from moodfuse.learn.fit.memory import kept_memory
from moodfuse.learn.fit.optimisation import (
    class_weights,
    classification_loss,
    freeze,
    keep_statistics,
    parameter_groups,
    rate_schedule,
)
from moodfuse.learn.fit.trainer import (
    checkpoints,
    ctrl_c,
    last_checkpoint,
    make_trainer,
    quiet_lightning,
)
from moodfuse.learn.model import Batch, FusionModel, Output


class WeightAverage(AveragedModel):
    """The moving average of a model's weights. What is frozen stays as it is, and may be most of the model."""

    def update_parameters(self, model: torch.nn.Module) -> None:
        pairs = zip(self.module.parameters(), model.parameters(), strict=True)
        trained = [(mean.detach(), now.detach()) for mean, now in pairs if now.requires_grad]
        if self.n_averaged and self.multi_avg_fn:
            self.multi_avg_fn([mean for mean, _ in trained], [now for _, now in trained], self.n_averaged)
        else:
            for mean, now in trained:
                mean.copy_(now)
        for kept, now in zip(self.module.buffers(), model.buffers(), strict=True):
            kept.copy_(now)
        self.n_averaged += 1


class _FitModule(lightning.LightningModule):
    """A fusion model with its losses, scores and optimiser."""

    class_weights: Tensor

    def __init__(self, model: FusionModel, config: Config, weights: Tensor, steps: int) -> None:
        """`weights` (C,) are the class weights of the loss; `steps` is the number of steps of the whole training."""
        super().__init__()
        self.model = model
        self.config = config
        self.labels = Labels(config.labels)
        self.steps = steps
        self.loss = partial(classification_loss, how=config.train.loss, smoothing=config.train.label_smoothing)
        self.register_buffer("class_weights", weights, persistent=False)
        self.average: AveragedModel | None = None
        if decay := config.train.average:
            self.average = WeightAverage(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
            self.average.requires_grad_(False)
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._sums = torch.zeros(3)

    @property
    def kept(self) -> FusionModel:
        """The model that is validated and kept: with `train.average`, the moving average of the weights."""
        if self.average is None:
            return self.model
        averaged: FusionModel = self.average.module  # type: ignore[assignment]
        return averaged

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout draws from this seed, a function of (seed, epoch), so that a resumed epoch repeats itself. Not set at
        # the epoch's start: between there and here Lightning draws once or twice, depending on whether it has resumed.
        if batch_idx == 0:
            self._sums = torch.zeros(3, device=self.device)  # loss, hits, posts
            torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch + self.global_rank * 1_000_000_007)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        output: Output = self.model(batch)
        loss = self.loss(output.logits.float(), batch.targets, self.class_weights)
        if weight := self.config.model.auxiliary:
            for logits in (output.text, output.image):
                if logits is not None:
                    loss = loss + weight * self.loss(logits.float(), batch.targets, self.class_weights)
        if self.config.optim.l2:
            loss = loss + self.config.optim.l2 * self._squared_weights()
        self._tally(loss, output.logits, batch.targets)
        return loss

    def _tally(self, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Sum up loss and hits; log their means at the last batch: logging each step costs more than a small head."""
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
        logits = torch.cat([batch_logits for batch_logits, _ in self._seen])  # (N, classes)
        targets = torch.cat([batch_targets for _, batch_targets in self._seen])  # (N,)
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

    def _squared_weights(self) -> Tensor:
        # The explicit L2 term of a course report: of the new weights, not of the pretrained weights.
        named = self.model.named_parameters()
        squares = [p.square().sum() for name, p in named if not name.startswith("encoders.") and p.ndim > 1]
        return torch.stack(squares).sum()


def fit_one(
    model: FusionModel,
    parts: Parts,
    config: Config,
    folder: Path | None,
    hooks: Hooks = SILENT,
    share: Share = WHOLE,
) -> FitResult:
    """Train `model` once and leave it in its best state; checkpoints go to `folder`, and training resumes from there.

    Without a folder nothing is written, and nothing can be resumed. With `train.monitor=none` the last state is kept.
    `share` says which process of a distributed training this is.
    """
    train, validation = parts.train, parts.validation
    for encoder in model.encoders.values():
        freeze(encoder, config.train.freeze)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    batches = LengthBatches(
        train.count, config.train.batch_size, lengths=train.lengths, seed=config.seed, share=share, pools=train.pools
    )
    steps = len(batches) * config.train.epochs
    weights = class_weights(train.targets[train.rows], len(config.labels), config.train.class_weights, train.seen)
    module = _FitModule(model, config, weights, steps)
    history, watched = KeepHistory(hooks.save_history), Watched(config.train.monitor)
    best = KeepBest(lambda: module.kept, watched)
    keeping: list[Callback] = checkpoints(folder, watched) if folder else [best] if watched.name else []
    trainer = make_trainer(config, [history, TellProgress(hooks.progress, steps)], keeping, model, share)
    batches.epoch = lambda: trainer.current_epoch
    train.random = lambda row: np.random.default_rng([config.seed, trainer.current_epoch, row])
    checks = None
    if len(validation):
        order = LengthBatches(len(validation), max(64, config.train.batch_size), lengths=validation.lengths)
        checks = loader(validation, order)
    model.train()  # Lightning keeps each submodule's mode, and encoders are loaded in eval mode: without dropout
    for encoder in model.encoders.values():
        keep_statistics(encoder)
    with quiet_lightning(), ctrl_c(), kept_memory(), fast_dropout():
        trainer.fit(module, loader(train, batches), checks, ckpt_path=last_checkpoint(folder))
    if folder:
        model.load_state_dict(kept_state(folder, config.train))
    else:
        model.load_state_dict(best.state if watched.name else module.kept.state_dict())
    model.eval()
    return FitResult(history.rows, watched.best_epoch(history.rows), trained)


def kept_state(folder: Path, train: TrainConfig) -> dict[str, Tensor]:
    """Return the weights that a training kept in `folder`."""
    return load_model_state(folder / best_or_last(train))
