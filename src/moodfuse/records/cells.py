"""A cell on disk: one folder, there only when whole. Its layout is in docs/comparison.md."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.errors import DataError
from moodfuse.labels import Labels

FORMAT = 1
HEAD = "head.onnx"
METRICS = "metrics.json"


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """Which cell: seeds come first, so that an interrupted comparison has whole seeds."""

    seed: int
    fold: int
    model: str

    @property
    def name(self) -> str:
        return f"seed{self.seed}-fold{self.fold}"

    def folder(self, comparison: Path) -> Path:
        """Return where the cell stands in a comparison's folder."""
        return comparison / "cells" / self.model.replace("/", "-") / self.name

    def claim(self, comparison: Path) -> Path:
        """Return the lock that a process holds while it runs the cell."""
        return comparison / ".claims" / f"{self.model.replace('/', '-')}-{self.name}.lock"

    def is_done(self, comparison: Path) -> bool:
        """Return whether the cell is there, and whole."""
        return (self.folder(comparison) / METRICS).is_file()


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell as it was read: its test posts' ids and label ids (B,), and probabilities (B, C) by what is withheld."""

    key: CellKey
    ids: list[str]
    true: np.ndarray
    probabilities: dict[str, np.ndarray]
    metrics: dict[str, Any]


def write_cell(
    folder: Path,
    *,
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    ids: Sequence[str],
    true: Sequence[str],
    probabilities: Mapping[str, np.ndarray],
    labels: Labels,
    head: bytes | None,
) -> None:
    """Write a cell's folder, whole or not at all."""
    with files.replacing_folder(folder) as part:
        _write_rows(part / "history.csv", [list(history[0]), *(row.values() for row in history)])
        header = ["id", "label", *(f"p_{name}" for name in labels.names)]
        for withheld, table in probabilities.items():
            rows = [[i, y, *(f"{p:.7g}" for p in row)] for i, y, row in zip(ids, true, table, strict=True)]
            _write_rows(part / prediction_file(withheld), [header, *rows])
        if head is not None:
            files.write_bytes(part / HEAD, head)
        files.write_json(part / METRICS, metrics)


def read_cell(comparison: Path, key: CellKey, labels: Labels) -> StoredCell:
    """Read what `write_cell` wrote. Raises `DataError`, naming the folder to delete, where it is damaged."""
    folder = key.folder(comparison)
    try:
        metrics = json.loads((folder / METRICS).read_text("utf-8"))
        ids, true, whole = _read_predictions(folder / prediction_file(""), labels)
        probabilities = {"": whole}
        for withheld in ("text", "image"):
            if (path := folder / prediction_file(withheld)).is_file():
                others, _, probabilities[withheld] = _read_predictions(path, labels)
                if others != ids:
                    raise ValueError("other posts stand in its files")
        return StoredCell(key, ids, true, probabilities, metrics)
    except (OSError, ValueError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{folder}: is no whole cell ({reason}); delete that folder and run the command again"
        ) from None


def prediction_file(withheld: str) -> str:
    """Return the name of the file of predictions for posts with a modality withheld; empty for none."""
    return f"predictions.without-{withheld}.csv" if withheld else "predictions.csv"


def _write_rows(path: Path, rows: Sequence[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _read_predictions(path: Path, labels: Labels) -> tuple[list[str], np.ndarray, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if header != ["id", "label", *(f"p_{name}" for name in labels.names)] or not rows:
        raise ValueError(f"{path.name}: columns {header}, {len(rows)} rows")
    true = np.array([labels.names.index(row[1]) for row in rows])
    return [row[0] for row in rows], true, np.array([[float(p) for p in row[2:]] for row in rows])
