"""The history of a training: the rows of its epochs, the hooks that receive them, and which epoch is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from moodfuse.progress import Progress, silent

#: One row per epoch: its number, losses, scores, learning rate, seconds.
History = list[dict[str, float]]


def _forget(_rows: History) -> None:
    """Keep no history."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Callbacks of a training: after each epoch `save_history` gets all epochs so far; `progress` runs each step."""

    save_history: Callable[[History], None] = _forget
    progress: Progress = silent


#: Hooks that do nothing.
SILENT = Hooks()


@dataclass(frozen=True, slots=True)
class FitResult:
    """The result of a fit: the model holds the state of `best_epoch` (0-based), chosen by the validation monitor."""

    history: History
    best_epoch: int
    parameters: int  # how many trained


def best_epoch(history: History, monitor: str) -> int:
    """Return the epoch whose state is kept: the first with the best validation score, or the last without a monitor."""
    if monitor == "none":
        return int(history[-1]["epoch"])
    sign = -1 if monitor == "loss" else 1
    return int(max(history, key=lambda row: (sign * row[f"val_{monitor}"], -row["epoch"]))["epoch"])


def validation_score(epoch: Mapping[str, float], monitor: str) -> float:
    """Return the epoch's score by which trials are ranked; higher is better. Without a monitor it is macro-F1."""
    if monitor == "loss":
        return -epoch["val_loss"]
    return epoch["val_macro_f1" if monitor == "none" else f"val_{monitor}"]
