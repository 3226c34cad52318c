"""Callbacks of a training: history, progress, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from moodfuse.errors import DivergedError
from moodfuse.learn.fit.checkpoints import SUFFIX
from moodfuse.learn.fit.history import History, Watched
from moodfuse.progress import Progress


class KeepHistory(Callback):
    """Keeps one row per epoch, in the checkpoint too, and passes all rows to `save` after each epoch."""

    def __init__(self, save: Callable[[History], None]) -> None:
        self.rows: History = []
        self._save = save
        self._start = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_macro_f1")
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        seen = trainer.callback_metrics
        row |= {name: round(float(seen[name]), 6) for name in names if name in seen}
        row["lr"] = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        row["seconds"] = round(time.perf_counter() - self._start, 3)
        if not all(math.isfinite(value) for value in row.values()):
            raise DivergedError(
                f"epoch {trainer.current_epoch}: the loss is no longer a number; lower optim.lr or optim.encoder_lr"
            )
        self.rows.append(row)
        self._save(self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class TellProgress(Callback):
    """Reports how many steps are done."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self._progress = progress
        self._steps = steps

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        self._progress(f"training, epoch {trainer.current_epoch + 1}", trainer.global_step, self._steps)


class Patience(EarlyStopping):
    """Early stopping that holds after a resume: a run that had stopped does not train another epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class KeepBest(Callback):
    """Keeps the best state in memory, for trainings that nobody resumes: checkpoints would cost more than the training.

    `kept` returns the model whose state is kept. Of equal scores the first counts, as in `SafeCheckpoint`.
    """

    def __init__(self, kept: Callable[[], nn.Module], watched: Watched) -> None:
        self._kept = kept
        self._watched = watched
        self._best = -math.inf
        self.state: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        value = self._watched.higher_better(float(trainer.callback_metrics[self._watched.name]))
        if value > self._best:
            self._best = value
            self.state = {key: tensor.detach().clone() for key, tensor in self._kept().state_dict().items()}


class SafeCheckpoint(ModelCheckpoint):
    """Checkpoints in moodfuse's format; their best score is kept when the run's folder is moved."""

    FILE_EXTENSION = SUFFIX

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | paths | {"dirpath": self.dirpath, "best_k_models": best})
