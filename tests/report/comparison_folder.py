"""Writes a comparison's folder as docs/comparison.md describes it, with made-up scores: nothing is trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ["negative", "neutral", "positive"]
FUSIONS = ("gated", "concat", "late", "cross_attention", "lowrank")


def write_comparison(folder: Path, *, fusions: tuple[str, ...] = FUSIONS, finished: bool = True) -> Path:
    """Write a comparison of `fusions`, text and image over 2 seeds and 5 folds; an unfinished one lacks its results."""
    random = np.random.default_rng(0)
    models = [*fusions, "text", "image"]
    arms = [
        {"name": model + name, "model": model, "reads": reads, "withheld": withheld}
        for model in fusions
        for name, reads, withheld in (
            ("", "both", None),
            (" without text", "image", "text"),
            (" without image", "text", "image"),
        )
    ]
    arms += [{"name": model, "model": model, "reads": model, "withheld": None} for model in ("text", "image")]
    plan = {
        "format": 1,
        "name": folder.name,
        "created": "2026-11-21T12:40:00+00:00",
        "data": {
            "source": "posts",
            "sha256": "9b1c" * 16,
            "posts": 4000,
            "unlabelled": 3,
            "classes": dict.fromkeys(LABELS, 1333),
        },
        "labels": LABELS,
        "seeds": [0, 1],
        "folds": 5,
        "trials": 0,
        "models": [
            {"name": m, "fusion": m, "modalities": [], "consumes": "pooled", "config": {"model": {"fusion": m}}}
            for m in models
        ],
        "arms": arms,
        "environment": {
            "moodfuse": "0.1.0",
            "python": "3.11",
            "platform": "Linux",
            "packages": {"numpy": "2.0"},
            "command": ["moodfuse", "compare"],
        },
    }
    _write(folder / "comparison.json", plan)
    _cells(folder, models, random, 2 if finished else 1)
    if finished:
        _write(folder / "results.json", _results(arms, models, fusions))
    return folder


def _cells(folder: Path, models: list[str], random: np.random.Generator, seeds: int) -> None:
    for model in models:
        for seed in range(seeds):
            for fold in range(5):
                cell = folder / "cells" / model / f"seed{seed}-fold{fold}"
                epochs = int(random.integers(8, 16))
                metrics = {
                    "format": 1,
                    "model": model,
                    "seed": seed,
                    "fold": fold,
                    "test_folds": [2 * fold, 2 * fold + 1],
                    "validation_folds": [(2 * fold + 2) % 10],
                    "posts": {"train": 2800, "validation": 400, "test": 800},
                    "temperature": 1.2,
                    "best_epoch": epochs - 3,
                    "epochs": epochs,
                    "validation": {"accuracy": 0.7, "macro_f1": 0.6, "loss": 0.7},
                    "test": {"accuracy": 0.69, "macro_f1": 0.6},
                    "parameters": 123456,
                    "seconds": {"epoch": 0.4, "fit": 6.3, "cell": 8.9},
                    "config": {"seed": seed},
                    "trials": [],
                }
                _write(cell / "metrics.json", metrics)
                lines = ["epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_macro_f1,lr,seconds"]
                for epoch in range(epochs):
                    falling = 0.6 + 0.5 / (epoch + 1)
                    lines.append(
                        f"{epoch},{falling:.4f},{1.1 - falling:.4f},{falling + 0.1:.4f},{1 - falling:.4f},0.5,0.001,0.4"
                    )
                (cell / "history.csv").write_text("\n".join(lines) + "\n")


def _score(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.016, "high": value + 0.017, "sd_seeds": 0.004, "sd_cells": 0.012}


def _results(arms: list[dict[str, Any]], models: list[str], fusions: tuple[str, ...]) -> dict[str, Any]:
    height = {model: 0.62 - 0.006 * i for i, model in enumerate(models)} | {"text": 0.588, "image": 0.47}
    drop = {None: 0.0, "text": 0.2, "image": 0.05}
    values = {arm["name"]: height[arm["model"]] - drop[arm["withheld"]] for arm in arms}
    rows = [
        {k: arm[k] for k in ("model", "reads", "withheld")}
        | {"arm": arm["name"], "seeds": [0, 1], "accuracy": _score(values[arm["name"]] + 0.1)}
        | {name: _score(values[arm["name"]]) for name in ("macro_f1", "weighted_f1")}
        | {
            "per_class": {
                label: {
                    "precision": 0.6,
                    "recall": 0.6,
                    "f1": values[arm["name"]] + 0.05 * (i - 1),
                    "low": 0.5,
                    "high": 0.7,
                    "support": 1333,
                }
                for i, label in enumerate(LABELS)
            }
        }
        | {
            "confusion": [[900.5, 133.0, 300.0], [250.0, 800.0, 283.0], [90.0, 140.0, 1103.0]],
            "parameters": 123456,
            "seconds": 8.9,
        }
        for arm in arms
    ]
    best = fusions[0]
    verdicts = [_verdict("against text", one, "text", values) for one in fusions]
    verdicts += [_verdict("against image", one, "image", values) for one in fusions]
    verdicts += [_verdict("best", best, one, values) for one in models if one != best]
    pairs = [_verdict("", a, b, values) for i, a in enumerate(models) for b in models[i + 1 :]]
    bins = [
        {"low": c - 0.05, "high": c + 0.05, "posts": 400, "confidence": c, "accuracy": c - 0.03}
        for c in (0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    ]
    shares = [round(0.1 * i, 1) for i in range(11)]
    missing = [
        {
            "model": model,
            "removed": removed,
            "points": [
                {"share": s, "accuracy": height[model] + 0.1, "macro_f1": height[model] - s * drop[removed]}
                for s in shares
            ],
        }
        for model in models
        for removed in ("text", "image")
        if model not in ("text", "image") or model == removed
    ]
    damaged = [
        {
            "model": model,
            "damage": damage,
            "modality": "text",
            "unit": unit,
            "points": [
                {"level": x, "accuracy": 0.7, "macro_f1": height[model] - x / 2, "changed": x} for x in (0.0, 0.1, 0.2)
            ],
        }
        for model in models
        for damage, unit in (("typos", "share of letters"), ("blur", "radius in pixels"))
    ]
    return {
        "format": 1,
        "finished": True,
        "cells": {"done": 10 * len(models), "wanted": 10 * len(models)},
        "posts": 4000,
        "groups": 3794,
        "folds": 5,
        "seeds": [0, 1],
        "headlines": [
            f"{best} scores highest: macro-F1 0.620, 0.616 after correction for being the best of {len(models)}.",
            f"The image helps: {best} beats text alone by 3.2 points macro-F1 (1.6 to 4.9).",
            f"{best} and {fusions[-1]} cannot be told apart here.",
        ],
        "notes": ["Two seeds: the intervals hold part of what another seed would change."],
        "rows": rows,
        "best": {
            "arm": best,
            "of": len(models),
            "metric": "macro_f1",
            "value": 0.62,
            "corrected": 0.616,
            "low": 0.6,
            "high": 0.63,
            "chosen": {best: 0.7, fusions[-1]: 0.3},
            "words": "",
        },
        "test": {"metric": "macro_f1", "comparisons": len(pairs), "level": 0.05, "resamples": 2000},
        "verdicts": verdicts,
        "pairs": pairs,
        "calibration": [
            {"arm": model, "ece": 0.021, "ece_before": 0.054, "temperatures": [1.2, 1.3], "bins": bins}
            for model in models
        ],
        "robustness": {"missing": missing, "damaged": {"posts": 300, "seed": 0, "curves": damaged}},
        "cost": [
            {"model": model, "parameters": 10000 * (i + 1), "epoch": 0.4, "cell": 4.0 + 3 * i, "total": 40.0 + 30 * i}
            for i, model in enumerate(models)
        ],
    }


def _verdict(kind: str, a: str, b: str, values: dict[str, float]) -> dict[str, Any]:
    difference = values[a] - values[b]
    apart = abs(difference) > 0.016
    verdict = ("beats" if difference > 0 else "loses to") if apart else "cannot be told apart"
    words = (
        f"{a} {verdict} {b} by {abs(100 * difference):.1f} points macro-F1"
        if apart
        else f"{a} and {b} cannot be told apart"
    )
    one = {
        "kind": kind,
        "a": a,
        "b": b,
        "metric": "macro_f1",
        "difference": difference,
        "low": difference - 0.016,
        "high": difference + 0.016,
    }
    return one | {
        "p_bootstrap": 0.002,
        "p": 0.018 if apart else 0.4,
        "mcnemar": {"only_a": 210, "only_b": 160, "p_exact": 0.011, "p": 0.09},
        "verdict": verdict,
        "words": words,
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
