"""The cells of a comparison: single trainings, each in a folder of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse.records.tolerant import Folder

_CELL = re.compile(r"seed(\d+)-fold(\d+)")


@dataclass(frozen=True, slots=True)
class Cell:
    """One training: its scores and its epochs."""

    name: str
    metrics: dict[str, Any]
    history: list[dict[str, str]]


def read_cells(path: Path) -> dict[str, list[Cell]]:
    """Return the whole cells of each model, in order of seed and fold."""
    found: dict[str, list[Cell]] = {}
    for folder in sorted((path / "cells").glob("*/*"), key=lambda one: (one.parent.name, _place(one.name))):
        if _CELL.fullmatch(folder.name) and (folder / "metrics.json").is_file():
            reader = Folder(folder)
            if metrics := reader.json("metrics.json"):
                cell = Cell(folder.name, metrics, reader.rows("history.csv"))
                found.setdefault(folder.parent.name, []).append(cell)
    return found


def _place(name: str) -> tuple[int, int]:
    found = _CELL.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else (0, 0)
