"""What is on disk of a run, read as far as it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse.records.tolerant import Folder, real
from moodfuse.report.document import Estimate


@dataclass(frozen=True, slots=True)
class Run:
    """What is on disk of a run; empty where it is not there (yet)."""

    path: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    predictions: list[dict[str, str]]
    histories: dict[str, list[dict[str, str]]]
    environment: dict[str, Any]
    split: dict[str, Any]
    missing: list[str]

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def test(self) -> dict[str, Any]:
        """The scores on the held-out posts; empty where they are not (all) there."""
        found: dict[str, Any] = self.metrics.get("test") or {}
        return found if {"accuracy", "macro_f1", "per_class"} <= set(found) else {}

    @property
    def alone(self) -> dict[str, dict[str, Any]]:
        """The scores of the same model given one modality alone, by modality; empty where it reads but one."""
        found = {modality: self.metrics.get(f"test_{modality}_only") for modality in ("text", "image")}
        return {modality: scores for modality, scores in found.items() if scores}

    @property
    def labels(self) -> list[str]:
        return list(self.test.get("per_class") or self.config.get("labels") or [])

    @property
    def on_all(self) -> bool:
        """Whether every post trained the model: its scores are then its recipe's, cross-validated."""
        return (self.config.get("split") or {}).get("hold_out") is False

    @property
    def wrong(self) -> list[dict[str, str]]:
        """The held-out posts that the model gets wrong, the surest first."""
        rows = [row for row in self.predictions if row.get("label") != row.get("predicted")]
        return sorted(rows, key=lambda row: (-(real(row, "confidence") or 0.0), row.get("id", "")))


def is_run(folder: Path) -> bool:
    """Say whether `folder` is a run, finished or not."""
    return (folder / "config.yaml").is_file() and (folder / "environment.json").is_file()


def read_run(path: Path) -> Run:
    """Read what is there of a run's folder; what is not whole is told in `missing`."""
    folder = Folder(path)
    histories = {"": folder.rows("history.csv", "the curves of training")}
    for file in sorted(path.glob("history-*.csv")):
        histories[file.stem.removeprefix("history-")] = folder.rows(file.name)
    return Run(
        path=path,
        config=folder.yaml("config.yaml", "the configuration"),
        metrics=folder.json("metrics.json", "scores"),
        predictions=folder.rows("predictions.csv", "predictions of single posts"),
        histories=histories,
        environment=folder.json("environment.json", "the environment"),
        split=folder.json("split.json", "the split"),
        missing=folder.missing,
    )


def score_rows(run: Run) -> list[dict[str, Any]]:
    """Return a run's scores as rows of a table: run, part, score, value, low, high, posts."""
    rows: list[dict[str, Any]] = []
    for part in ("test", "test_text_only", "test_image_only", "validation"):
        scores = run.metrics.get(part) or {}
        for name, one in estimates(scores).items():
            row = {"run": run.name, "part": part, "score": name, "value": one.value, "low": one.low, "high": one.high}
            rows.append(row | {"posts": scores.get("n")})
    return rows


def estimates(scores: dict[str, Any]) -> dict[str, Estimate]:
    """Return each score of `metrics.json` with its interval."""
    values = {name: scores.get(name) for name in ("accuracy", "macro_f1", "weighted_f1")}
    values |= {f"f1_{name}": one.get("f1") for name, one in (scores.get("per_class") or {}).items()}
    intervals = scores.get("intervals") or {}
    found = {}
    for name, value in values.items():
        if value is not None:
            low, high = intervals.get(name, (None, None))
            found[name] = Estimate(float(value), low, high)
    return found
