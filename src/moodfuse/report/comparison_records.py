"""What is on disk of a comparison (docs/comparison.md), read as far as it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse.records.tolerant import Folder, real
from moodfuse.report.cells import Cell, read_cells
from moodfuse.report.document import Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is on disk of a comparison; empty where it is not there (yet)."""

    path: Path
    plan: dict[str, Any]
    results: dict[str, Any]
    cells: dict[str, list[Cell]]
    missing: list[str]

    @property
    def name(self) -> str:
        return str(self.plan.get("name") or self.path.resolve().name)

    @property
    def labels(self) -> list[str]:
        return list(self.plan.get("labels") or [])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The arms that have a score, the best first."""
        rows = [row for row in self.results.get("rows") or [] if estimate(row.get("macro_f1")) is not None]
        return sorted(rows, key=lambda row: (-row["macro_f1"]["value"], str(row.get("arm"))))

    @property
    def models(self) -> list[str]:
        """The models as they are (nothing withheld), the best first."""
        return [str(row.get("arm")) for row in self.rows if not row.get("withheld")]


def is_comparison(folder: Path) -> bool:
    """Say whether `folder` is a comparison, finished or not."""
    return (folder / "comparison.json").is_file()


def read_comparison(path: Path) -> Comparison:
    """Read what is there of a comparison's folder; what is not whole is told in `missing`."""
    folder = Folder(path)
    plan = folder.json("comparison.json", "what is compared")
    results = folder.json("results.json", "scores")
    return Comparison(path, plan, results, read_cells(path), folder.missing)


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one row an arm and score: value, interval, standard deviations."""
    rows = []
    for row in comparison.rows:
        scores = {name: row.get(name) for name in ("accuracy", "macro_f1", "weighted_f1")}
        scores |= {f"f1_{label}": _class_score(one) for label, one in (row.get("per_class") or {}).items()}
        head = {key: row.get(key) for key in ("arm", "model", "reads", "withheld")}
        for name, one in scores.items():
            keys = ("value", "low", "high", "sd_seeds", "sd_cells")
            rows.append(head | {"score": name} | {key: (one or {}).get(key) for key in keys})
    return rows


def estimate(score: Any, *, signed: bool = False, key: str = "value") -> Estimate | None:
    """Return a score of `results.json` with its interval, `None` where it is not there."""
    value = real(score, key) if isinstance(score, Mapping) else None
    return None if value is None else Estimate(value, real(score, "low"), real(score, "high"), signed)


def _class_score(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": one.get("f1"), "low": one.get("low"), "high": one.get("high")}


def leading_models(comparison: Comparison) -> list[str]:
    """Return the models that single figures show: the best four, and text alone and image alone."""
    models = comparison.models
    return [name for i, name in enumerate(models) if i < 4 or name in ("text", "image")]
