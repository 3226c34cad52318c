"""Experiment trackers: what a finished run, comparison or search has on disk goes to MLflow, W&B or TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

_PROJECT = "moodfuse"


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracker is told: settings by dotted name, a row of values an epoch or trial, final scores, files."""

    name: str
    settings: Mapping[str, object]
    steps: Sequence[Mapping[str, float]]
    scores: Mapping[str, float]
    files: Sequence[Path]


def publish(tracker: str, tracked: Tracked) -> str:
    """Tell `tracker` (mlflow, wandb or tensorboard) everything, as a run of its own; return where that is."""
    logger, where, attach = _OPEN[tracker](tracked.name)
    logger.log_hyperparams(dict(tracked.settings))
    for number, row in enumerate(tracked.steps, 1):
        logger.log_metrics(dict(row), step=number)
    logger.log_metrics(dict(tracked.scores), step=len(tracked.steps) + 1)
    for path in tracked.files:
        attach(path)
    logger.finalize("success")
    return where


_Opened = tuple[Logger, str, Callable[[Path], object]]


def _mlflow(name: str) -> _Opened:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before its import: it tells its makers of every run
    # Folders of plain files, Lightning's default, are refused by today's MLflow.
    where = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    logger = MLFlowLogger(_PROJECT, run_name=name, tracking_uri=where)
    return logger, where, lambda path: logger.experiment.log_artifact(logger.run_id, str(path))


def _wandb(name: str) -> _Opened:
    logger = WandbLogger(project=_PROJECT, name=name)
    return logger, "wandb", lambda path: logger.experiment.save(str(path), base_path=str(path.parent), policy="now")


def _tensorboard(name: str) -> _Opened:
    logger = TensorBoardLogger("tensorboard", name=_PROJECT, version=name)

    def attach(path: Path) -> None:
        if path.suffix == ".md":  # it shows text, and no pages
            logger.experiment.add_text(path.stem, path.read_text("utf-8"))

    return logger, logger.log_dir, attach


_OPEN: dict[str, Callable[[str], _Opened]] = {"mlflow": _mlflow, "wandb": _wandb, "tensorboard": _tensorboard}
