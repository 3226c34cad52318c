"""The folders of a small run, comparison and search, letter by letter as moodfuse 0.1 wrote them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CONFIG = """\
seed: 0
labels: [bad, good]
data: {cleaning: {retweets: false, mentions: false, urls: true, hashtags: keep, lower: false}, max_tokens: 128}
split: {folds: 10, seed: 0, hold_out: true, repeats: 1}
model: {fusion: gated, options: {}, text: minilm, image: efficientnet-lite0, ensemble: 1, dropout: 0.1}
optim: {lr: 0.001}
train: {regime: frozen, monitor: macro_f1, patience: 8, epochs: 2, members: 1, strategy: ddp}
"""
ENVIRONMENT = """{"moodfuse": "0.1.0", "git": null, "python": "3.11.2", "platform": "Linux", "processor": "x86_64",
 "packages": {"numpy": "2.0.1", "torch": null}, "command": ["moodfuse", "train", "posts"], "data_sha256": "9b1c",
 "data": null}"""
SCORES = """{"n": 4, "accuracy": 0.75, "macro_f1": 0.733333, "weighted_f1": 0.733333,
 "per_class": {"bad": {"precision": 1.0, "recall": 0.5, "f1": 0.666667, "support": 2},
  "good": {"precision": 0.666667, "recall": 1.0, "f1": 0.8, "support": 2}},
 "confusion": [[1, 1], [0, 2]],
 "intervals": {"accuracy": [0.25, 1.0], "macro_f1": [0.2, 1.0], "weighted_f1": [0.2, 1.0], "f1_bad": [0.0, 1.0],
  "f1_good": [0.5, 1.0]},
 "calibration_error": 0.125"""
METRICS = f"""{{"test": {SCORES}}},
 "validation": {SCORES},
  "review": {{"threshold": 0.65, "share": 0.25, "accuracy_below": 0.0, "accuracy_above": 1.0}}}},
 "protocol": {{"test": "held out: looked at once, through the finished bundle",
  "validation": "chose the best epoch, the temperature and the review threshold: not a score to report",
  "intervals": "95 %, percentile bootstrap over groups of near-duplicates, 2,000 resamples",
  "split_sha256": "ab12", "split_origin": "made", "train": 16, "validate": 4, "held_out": 4,
  "duplicate_groups_across": 0}},
 "training": {{"fusion": "gated", "regime": "frozen", "seed": 0, "best_epoch": 2, "epochs": 2, "parameters": 1234}},
 "bundle": {{"temperature": 1.25, "parity": {{"logits": 2e-06, "probability": 1e-06}}}},
 "test_text_only": {SCORES}}}, "test_image_only": {SCORES}}}}}"""
ON_ALL_METRICS = f"""{{"test": {SCORES}, "sd_seeds": {{"accuracy": null, "macro_f1": null, "weighted_f1": null}}}},
 "review": {{"threshold": 0.65, "share": 0.25, "accuracy_below": 0.0, "accuracy_above": null}},
 "protocol": {{"test": "five-fold cross-validation of the recipe", "calibration": "the temperature was fitted",
  "intervals": "95 %, bootstrap over groups of near-duplicates", "seeds": 1, "train": 24, "validate": 0,
  "held_out": 0}},
 "training": {{"fusion": "gated", "regime": "frozen", "seed": 0, "best_epoch": 2, "epochs": 2, "parameters": 1234}},
 "bundle": {{"temperature": 1.25, "parity": {{"logits": 2e-06, "probability": 1e-06}}}}}}"""
PREDICTIONS = """\
id,label,predicted,confidence,p_bad,p_good,status,text_only,image_only
1,bad,bad,0.9,0.9,0.1,ok,bad,bad
2,bad,good,0.6,0.4,0.6,ok,good,bad
3,good,good,0.8,0.2,0.8,image_missing,good,good
4,good,good,0.7,0.3,0.7,ok|text_truncated,good,good
"""
HISTORY = """\
epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_macro_f1,lr,seconds
0,0.9,0.5,1.0,0.5,0.4,0.001,0.1
1,0.7,0.6,0.8,0.75,0.7,0.0005,0.1
"""


def write_run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "environment.json").write_text(ENVIRONMENT)
    (folder / "metrics.json").write_text(METRICS)
    (folder / "predictions.csv").write_text(PREDICTIONS)
    (folder / "history.csv").write_text(HISTORY)
    _write_split(folder / "split.json", {str(i): i % 10 for i in range(24)})
    return folder


def write_comparison(folder: Path) -> Path:
    """Two cells of a model on text alone and of `gated`: posts 0 to 19, of which the cells 0 and 1 test eight."""
    folder.mkdir()
    folds = {str(i): i % 10 for i in range(20)}
    (folder / "comparison.json").write_text(PLAN)
    (folder / "groups.json").write_text(
        json.dumps({"of": {i: n for n, i in enumerate(folds)}, "by_text": {}, "by_image": {}})
    )
    _write_split(folder / "split.json", folds)
    for model in ("gated", "text"):
        for fold in (0, 1):
            tested = [i for i, its in folds.items() if its // 2 == fold]
            _write_cell(folder / "cells" / model / f"seed0-fold{fold}", model, fold, tested)
    return folder


PLAN = """{"format": 1, "name": "first", "created": "2026-11-21T12:40:00+00:00",
 "data": {"source": "posts", "sha256": "9b1c", "posts": 20, "unlabelled": 1, "classes": {"bad": 10, "good": 10}},
 "labels": ["bad", "good"], "seeds": [0], "folds": 2, "trials": 0,
 "models": [
  {"name": "gated", "fusion": "gated", "modalities": ["text", "image"], "consumes": "pooled",
   "config": {"seed": 0, "labels": ["bad", "good"], "model": {"fusion": "gated", "ensemble": 1}}},
  {"name": "text", "fusion": "text", "modalities": ["text"], "consumes": "pooled",
   "config": {"seed": 0, "labels": ["bad", "good"], "model": {"fusion": "text", "ensemble": 1}}}],
 "arms": [
  {"name": "gated", "model": "gated", "reads": "both", "withheld": null},
  {"name": "gated without text", "model": "gated", "reads": "image", "withheld": "text"},
  {"name": "gated without image", "model": "gated", "reads": "text", "withheld": "image"},
  {"name": "text", "model": "text", "reads": "text", "withheld": null}],
 "environment": {"moodfuse": "0.1.0", "git": null, "python": "3.11.2", "platform": "Linux", "processor": "x86_64",
  "packages": {"numpy": "2.0.1"}, "command": ["moodfuse", "compare", "posts"], "data_sha256": "9b1c", "data": null}}"""
CELL = """{"format": 1, "model": "MODEL", "seed": 0, "fold": FOLD, "test_folds": [0, 1], "validation_folds": [2],
 "posts": {"train": 14, "validation": 2, "test": 4}, "temperature": 1.25, "best_epoch": 2, "epochs": 2,
 "validation": {"accuracy": 0.5, "macro_f1": 0.4, "loss": 0.8}, "test": {"accuracy": 0.75, "macro_f1": 0.7},
 "parameters": 1234, "seconds": {"epoch": 0.1, "fit": 0.3, "cell": 0.5}, "config": {"seed": 0}, "trials": [
  {"number": 0, "settings": {"optim.lr": 0.001, "train.batch_size": 64}, "score": 0.4, "seconds": 0.3},
  {"number": 1, "settings": {"optim.lr": 0.01, "train.batch_size": 32}, "score": null, "seconds": null}]}"""


def _write_cell(folder: Path, model: str, fold: int, tested: list[str]) -> None:
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(CELL.replace("MODEL", model).replace("FOLD", str(fold)))
    (folder / "history.csv").write_text(HISTORY)
    for name in ("predictions.csv", "predictions.without-text.csv", "predictions.without-image.csv"):
        right = 0.9 if name == "predictions.csv" and model == "gated" else 0.3
        rows = [f"{i},bad,{right},{1 - right:g}" if int(i) < 10 else f"{i},good,0.4,0.6" for i in tested]
        if model == "gated" or name != "predictions.without-image.csv":
            (folder / name).write_text("\n".join(["id,label,p_bad,p_good", *rows]) + "\n")


def write_search(folder: Path) -> Path:
    folder.mkdir()
    (folder / "plan.json").write_text(f'{{"config": {SEARCHED}, "data_sha256": "9b1c", "environment": {ENVIRONMENT}}}')
    (folder / "search.json").write_text(SUMMARY)
    (folder / "importances.json").write_text('{"optim.lr": 0.8, "train.batch_size": 0.2}')
    (folder / "trials.csv").write_text(TRIALS)
    return folder


SEARCHED = (
    '{"seed": 0, "model": {"fusion": "gated", "ensemble": 1}, "optim": {"lr": 0.001}, "train": {"batch_size": 64}}'
)
SUMMARY = f"""{{"trials": {{"ended": 3, "wanted": 4}}, "monitor": "macro_f1", "score": 0.61,
 "importances": {{"optim.lr": 0.8, "train.batch_size": 0.2}}, "config": {SEARCHED},
 "best": {SEARCHED.replace("0.001", "0.004")}, "data_sha256": "9b1c", "split_sha256": "ab12"}}"""
TRIALS = """\
number,state,score,epochs,seconds,optim.lr,train.batch_size,best
0,complete,0.58,5,1.5,0.001,64,0.58
1,pruned,,2,0.3,1e-05,32,0.58
2,complete,0.61,5,1.25,0.004,64,0.61
"""


def _write_split(path: Path, folds: dict[str, int]) -> None:
    content = {"folds": folds, "test": [0], "validation": [1]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    path.write_text(json.dumps({"format": 1, "seed": 0, "origin": "made", "ignored": 0, **content, "sha256": digest}))
