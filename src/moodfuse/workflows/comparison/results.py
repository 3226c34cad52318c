"""From cells to `results.json`: rows, verdicts, calibration, robustness and cost, at any time, without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.evaluate.calibration import expected_calibration_error, reliability
from moodfuse.evaluate.intervals import percentiles
from moodfuse.evaluate.metrics import confusion_metrics, score
from moodfuse.evaluate.resampling import Resampler
from moodfuse.evaluate.robustness import removal_curve
from moodfuse.records.cells import FORMAT
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.runtime.predictor import softmax
from moodfuse.workflows.comparison.arms import Arm, Gathered, gather
from moodfuse.workflows.comparison.verdicts import judge

_RESAMPLES = 2000  # of rows that no verdict is about


def build_results(comparison: ComparisonFolder) -> dict[str, Any]:
    """Build `results.json` from the cells that are there, write it, and return it.

    Raises `DataError` where no model has a whole seed yet.
    """
    gathered = gather(comparison)
    missing = comparison.todo()
    judged, draws = judge(gathered)
    results = {
        "format": FORMAT,
        "finished": not missing,
        "cells": {"done": len(comparison.cells()) - len(missing), "wanted": len(comparison.cells())},
        "posts": len(gathered.true),
        "groups": len(set(gathered.groups)),
        "folds": comparison.plan["folds"],
        "seeds": gathered.seeds,
        "headlines": judged.pop("headlines"),
        "notes": _notes(comparison, gathered),
        "rows": _rows(gathered, draws),
        **judged,
        "calibration": [_calibration(gathered, arm) for arm in gathered.arms],
        "robustness": {"missing": _missing(comparison, gathered), "damaged": _damaged(comparison)},
        "cost": _cost(gathered),
    }
    files.write_json(comparison.results, results)
    return results


def _notes(comparison: ComparisonFolder, gathered: Gathered) -> list[str]:
    plan, notes = comparison.plan, []
    if left := comparison.todo():
        notes.append(f"{len(left)} of {len(comparison.cells())} cells are still to run; whole seeds alone are shown.")
    if plan["folds"] < 5:
        notes.append(
            f"{plan['folds']} of five cells were run: every score is about the {len(gathered.true)} posts that they "
            f"test, of {plan['data']['posts']}."
        )
    if len(gathered.seeds) == 1:
        notes.append(
            "One seed: the intervals say how much other posts could change a score, not how much another training "
            "could; --seeds 3 says both."
        )
    names = {arm.name for arm in gathered.models}
    for single, other in (("text", "image"), ("image", "text")):
        if single not in names and names - {other}:
            notes.append(f"{single} alone is not among the models: whether the {other} helps is not asked.")
    return notes


def _rows(gathered: Gathered, draws: Mapping[str, Mapping[str, np.ndarray]]) -> list[dict[str, Any]]:
    withheld = {arm.name: arm.system() for arm in gathered.arms if arm.withheld}
    by_arm = dict(draws)
    if withheld:
        resampler = Resampler(
            gathered.true, withheld, labels=gathered.labels, folds=gathered.folds.tolist(), groups=gathered.groups
        )
        drawn = resampler.draws(_RESAMPLES)
        by_arm |= {name: {m: v[:, i] for m, v in drawn.items()} for i, name in enumerate(withheld)}
    return [_row(gathered, arm, by_arm[arm.name]) for arm in gathered.arms]


def _row(gathered: Gathered, arm: Arm, draws: Mapping[str, np.ndarray]) -> dict[str, Any]:
    scores = [score(gathered.true, table, gathered.labels) for table in arm.probabilities]  # one a seed
    cells = [_cell_scores(gathered, arm, fold) for fold in np.unique(gathered.folds)]  # one a fold, (S,) each
    row: dict[str, Any] = {
        "arm": arm.name,
        "model": arm.model,
        "reads": arm.reads,
        "withheld": arm.withheld,
        "seeds": gathered.seeds,
    }
    for name in ("accuracy", "macro_f1", "weighted_f1"):
        values = [getattr(one, name) for one in scores]
        low, high = percentiles(draws[name])
        row[name] = {
            "value": float(np.mean(values)),
            "low": low,
            "high": high,
            "sd_seeds": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "sd_cells": float(np.std(np.concatenate([cell[name] for cell in cells]), ddof=1)),
        }
    row["per_class"] = {}
    for label in gathered.labels.names:
        low, high = percentiles(draws[f"f1_{label}"])
        mean = {
            m: float(np.mean([getattr(s.per_class[label], m) for s in scores])) for m in ("precision", "recall", "f1")
        }
        row["per_class"][label] = mean | {"low": low, "high": high, "support": scores[0].per_class[label].support}
    row["confusion"] = np.mean([one.confusion for one in scores], axis=0).tolist()
    metrics = [cell.metrics for key, cell in gathered.cells.items() if key.model == arm.model]
    row["parameters"] = metrics[0]["parameters"]
    row["seconds"] = float(np.median([one["seconds"]["cell"] for one in metrics]))
    return row


def _cell_scores(gathered: Gathered, arm: Arm, fold: int) -> dict[str, np.ndarray]:
    here, size = gathered.folds == fold, len(gathered.labels)
    flat = gathered.true[here] * size + arm.probabilities[:, here].argmax(2)  # (S, n)
    counts = np.stack([np.bincount(one, minlength=size * size).reshape(size, size) for one in flat])
    return confusion_metrics(counts, gathered.labels)


def _calibration(gathered: Gathered, arm: Arm) -> dict[str, Any]:
    """Take all seeds' posts together: each probability was given once, by one training."""
    after = arm.probabilities.reshape(-1, len(gathered.labels))
    temperatures = gathered.temperatures(arm.model)
    before = softmax(np.log(np.maximum(arm.probabilities, 1e-30)) * temperatures).reshape(after.shape)
    true = np.tile(gathered.true, len(gathered.seeds))
    cells = [cell for key, cell in gathered.cells.items() if key.model == arm.model]
    return {
        "arm": arm.name,
        "ece": expected_calibration_error(after, true),
        "ece_before": expected_calibration_error(before, true),
        "temperatures": [cell.metrics["temperature"] for cell in cells],
        "bins": [asdict(one) for one in reliability(after, true)],
    }


def _missing(comparison: ComparisonFolder, gathered: Gathered) -> list[dict[str, Any]]:
    modalities = {model["name"]: model["modalities"] for model in comparison.plan["models"]}
    curves = []
    for arm in gathered.models:
        for modality in modalities[arm.model]:
            without = gathered.withheld(arm.model, modality)
            points = removal_curve(gathered.true, list(arm.probabilities), list(without), labels=gathered.labels)
            curves.append({"model": arm.model, "removed": modality, "points": [asdict(point) for point in points]})
    return curves


def _damaged(comparison: ComparisonFolder) -> Any:
    if not comparison.robustness.is_file():
        return None
    return json.loads(comparison.robustness.read_text("utf-8"))


def _cost(gathered: Gathered) -> list[dict[str, Any]]:
    rows = []
    for arm in gathered.models:
        metrics = [cell.metrics for key, cell in gathered.cells.items() if key.model == arm.model]
        seconds = [one["seconds"]["cell"] for one in metrics]
        rows.append(
            {
                "model": arm.model,
                "parameters": metrics[0]["parameters"],
                "epoch": float(np.median([one["seconds"]["epoch"] for one in metrics])),
                "cell": float(np.median(seconds)),
                "total": float(np.sum(seconds)),
            }
        )
    return rows
