"""A cell on disk: a folder that exists only when it is complete. docs/comparison.md has its layout."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, ValidationError, model_validator

from moodfuse import files
from moodfuse.errors import DataError
from moodfuse.evaluate.logits import logits_of
from moodfuse.labels import Labels
from moodfuse.records.claim import claims_folder
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.record import Number, Record, read_record, why, write_record
from moodfuse.records.tolerant import Folder

FORMAT = 1
_HEAD = "head.safetensors"
_METRICS = "metrics.json"
_HISTORY = "history.csv"
#: The epochs of an encoder's own stage; the file is there when the stage is whole.
STAGE_HISTORY = _HISTORY
_NAME = re.compile(r"seed(\d+)-fold(\d+)")

#: The values to try of each setting. Keys joined by a plus take the same value: `optim.lr+optim.encoder_lr`.
Grid = Mapping[str, Sequence[Number]]


class Span(Record):
    """The values of a setting from `low` to `high`; drawn log-uniformly with `log`."""

    model_config = ConfigDict(extra="forbid")

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="after")
    def _rises(self) -> Span:
        if self.low >= self.high:
            raise ValueError(f"expected low below high, found {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log=true: expected low above 0, found {self.low:g}")
        return self


#: A search space of one's own: a span of each setting, or the values to choose from.
Space = Mapping[str, Span | Sequence[Number]]


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """The key of a cell. Keys sort by seed first, so that an interrupted comparison has complete seeds."""

    seed: int
    fold: int
    model: str

    @property
    def name(self) -> str:
        return f"seed{self.seed}-fold{self.fold}"

    def folder(self, comparison: Path) -> Path:
        """Return the cell's folder within a comparison's folder."""
        return comparison / "cells" / self.model.replace("/", "-") / self.name

    def head(self, comparison: Path) -> Path:
        """Return the path of the weights of the cell's head, which exist only if they were kept."""
        return self.folder(comparison) / _HEAD

    def lock(self, comparison: Path) -> Path:
        """Return the lock file that a process holds while it runs the cell; its folder is made if it is missing."""
        return claims_folder(comparison) / f"{self.model.replace('/', '-')}-{self.name}.lock"

    def trials(self, comparison: Path) -> TrialLog:
        """Return the log of the cell's trials, which is there until the cell is complete."""
        return TrialLog(claims_folder(comparison) / f"{self.model.replace('/', '-')}-{self.name}.trials.jsonl")

    def is_done(self, comparison: Path) -> bool:
        """Return whether the cell is there and complete."""
        return (self.folder(comparison) / _METRICS).is_file()


class PartSizes(Record):
    """The numbers of posts that a cell trains, validates and tests on."""

    train: int
    validation: int
    test: int


class CellSeconds(Record):
    """The seconds of a cell: the median epoch, the fit, and the whole cell."""

    epoch: float
    fit: float
    cell: float


class CellTrial(Record):
    """Settings that a cell tried; a trial that diverged has neither score nor seconds."""

    number: int
    settings: dict[str, Number]
    score: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class TrialLog:
    """The trials of a cell that have ended, a line each, while the cell is unfinished."""

    path: Path

    def read(self) -> dict[int, CellTrial]:
        """Return the trials by number, without a line that a kill cut short."""
        ended = {}
        for line in self.path.read_text("utf-8").splitlines() if self.path.is_file() else []:
            with contextlib.suppress(ValidationError):
                trial = CellTrial.model_validate_json(line)
                ended[trial.number] = trial
        return ended

    def add(self, trial: CellTrial) -> None:
        """Append a trial."""
        with files.appending(self.path) as file:
            file.write((trial.model_dump_json() + "\n").encode())


class CellMetrics(Record):
    """`metrics.json` of a cell. `best_epoch` counts from 1; `validation` is empty if the cell chooses nothing."""

    format: int
    model: str
    seed: int
    fold: int
    test_folds: list[int]
    validation_folds: list[int]
    posts: PartSizes
    temperature: float
    best_epoch: int
    epochs: int
    validation: dict[str, float]
    test: dict[str, float]
    parameters: int
    seconds: CellSeconds
    config: StoredConfig
    trials: list[CellTrial]


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell's answers: its test posts' ids and label ids (B,), and probabilities (B, C) by the withheld modality.

    The empty name has the probabilities with nothing withheld.
    """

    key: CellKey
    ids: Sequence[str]
    true: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    metrics: CellMetrics

    def logits(self, withheld: str = "") -> np.ndarray:
        """Return the logits (B, C) with a modality, or nothing, withheld, before the temperature."""
        return logits_of(self.probabilities[withheld]) * self.metrics.temperature


@dataclass(frozen=True, slots=True)
class TrainedCell:
    """A cell's training: its metrics, and a row per epoch."""

    name: str
    metrics: CellMetrics
    history: list[dict[str, float]]


def write_cell(
    comparison: Path,
    cell: StoredCell,
    history: Sequence[Mapping[str, float]],
    labels: Labels,
    head: bytes | None = None,
) -> None:
    """Write a cell's folder, completely or not at all; `history` has a row per epoch, `head` its weights, if kept."""
    folder = cell.key.folder(comparison)
    files.make_folder(folder.parent)
    with files.replacing_folder(folder) as part:
        files.write_csv(part / _HISTORY, history)
        true = [labels.names[i] for i in cell.true]
        for withheld, table in cell.probabilities.items():
            rows = [[i, y, *(f"{p:.7g}" for p in row)] for i, y, row in zip(cell.ids, true, table, strict=True)]
            named = [dict(zip(_header(labels), row, strict=True)) for row in rows]
            files.write_csv(part / _prediction_file(withheld), named)
        if head is not None:
            files.write_bytes(part / _HEAD, head)
        write_record(part / _METRICS, cell.metrics)


def read_cell(comparison: Path, key: CellKey, labels: Labels) -> StoredCell:
    """Read what `write_cell` wrote. Raises `DataError`, which names the folder to delete, if it is damaged."""
    folder = key.folder(comparison)
    try:
        metrics = read_record(folder / _METRICS, CellMetrics)
        ids, true, whole = _read_predictions(folder / _prediction_file(""), labels)
        probabilities = {"": whole}
        for withheld in ("text", "image"):
            if (path := folder / _prediction_file(withheld)).is_file():
                others, _, probabilities[withheld] = _read_predictions(path, labels)
                if others != ids:
                    raise ValueError("its files are about different posts")
        return StoredCell(key, ids, true, probabilities, metrics)
    except (DataError, OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{folder}: is not a complete cell ({why(error)}); delete that folder and run the command again"
        ) from None


def read_trained_cells(comparison: Path) -> dict[str, list[TrainedCell]]:
    """Return the complete cells of each model, in order of seed and fold."""
    found: dict[str, list[TrainedCell]] = {}
    for path in sorted((comparison / "cells").glob("*/*"), key=lambda path: (path.parent.name, _place(path))):
        if _NAME.fullmatch(path.name):
            folder = Folder(path)
            if metrics := folder.record(_METRICS, CellMetrics):
                cell = TrainedCell(path.name, metrics, folder.history(_HISTORY))
                found.setdefault(path.parent.name, []).append(cell)
    return found


def stages_folder(comparison: Path) -> Path:
    """Return the folder of the encoders that cells have tuned for two-stage training."""
    return comparison / "stages"


def read_stages(comparison: Path) -> dict[str, list[list[dict[str, float]]]]:
    """Return the epochs of each tuned encoder, cell by cell, under names such as `text encoder alone`."""
    found: dict[str, list[list[dict[str, float]]]] = {}
    for stage in sorted(stages_folder(comparison).glob("*")):
        rows = [Folder(cell).history(STAGE_HISTORY) for cell in sorted(stage.iterdir())]
        name = f"{stage.name.partition('-')[0]} encoder alone"
        name = f"{name}, {len(found)}" if name in found else name  # systems with other settings for their stages
        found |= {name: whole} if (whole := [row for row in rows if row]) else {}
    return found


def _place(path: Path) -> tuple[int, int]:
    found = _NAME.fullmatch(path.name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _prediction_file(withheld: str) -> str:
    return f"predictions.without-{withheld}.csv" if withheld else "predictions.csv"


def _header(labels: Labels) -> list[str]:
    return ["id", "label", *(f"p_{name}" for name in labels.names)]


def _read_predictions(path: Path, labels: Labels) -> tuple[list[str], np.ndarray, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if header != _header(labels) or not rows:
        raise ValueError(f"{path.name}: columns {header}, {len(rows)} rows")
    true = np.array([labels.names.index(row[1]) for row in rows])
    return [row[0] for row in rows], true, np.array([[float(p) for p in row[2:]] for row in rows])
