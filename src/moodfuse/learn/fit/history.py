"""The history of a training: the rows of its epochs, the hooks that receive them, and which epoch is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Watched:
    """The validation score that `train.monitor` names: it chooses the epoch that is kept. With none, the last is."""

    monitor: str

    @property
    def name(self) -> str:
        """The score's column in the history; empty if the last epoch is kept."""
        return "" if self.monitor == "none" else f"val_{self.monitor}"

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether the smallest or the largest value is the best."""
        return "min" if self.monitor == "loss" else "max"

    def higher_better(self, value: float) -> float:
        """Return the score's value, turned where smaller is better."""
        return -value if self.mode == "min" else value

    def score(self, epoch: Mapping[str, float]) -> float:
        """Return the epoch's score by which trials are ranked; higher is better. Without a monitor it is macro-F1."""
        return self.higher_better(epoch[self.name or "val_macro_f1"])

    def best_epoch(self, history: History) -> int:
        """Return the epoch whose state is kept: the first with the best score, or the last without a monitor."""
        if not self.name:
            return int(history[-1]["epoch"])
        return int(max(history, key=lambda row: (self.score(row), -row["epoch"]))["epoch"])
