"""Writes a run's folder and its posts, with made-up predictions: nothing is trained."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from moodfuse.config import Config
from moodfuse.data.splits import Split
from moodfuse.evaluate.intervals import Bootstrap, bootstrap_intervals
from moodfuse.evaluate.metrics import score
from moodfuse.labels import SENTIMENT

HOSTILE = (
    "<script>alert(1)</script><img src=http://example.org/x.png onerror=alert(2)>",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd {{ 7 * 7 }} {% raw %}",
    "x" * 20_000,
    "bell \x07 null \x00 escape \x1b[31m surrogate \ud800 end",
    "| a | table | `code` # heading & <b>bold</b>",
)


def write_posts(folder: Path, posts: int = 60) -> Path:
    """Write a CSV of posts, hostile texts among them, every third without an image; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        for i in range(posts):
            post = {"id": f"p{i}", "text": HOSTILE[i % len(HOSTILE)], "label": SENTIMENT.names[i % 3]}
            if i % 3:
                Image.new("RGB", (40 + i, 30), (4 * i, 80, 120)).save(folder / f"{i}.jpg")
                post["image"] = f"{i}.jpg"
            file.write(json.dumps(post) + "\n")
    return folder / "posts.jsonl"


def write_run(
    folder: Path, *, data: Path | None = None, posts: int = 60, first: int = 0, wrong: int = 4, epochs: int = 5
) -> Path:
    """Write a finished run that tested on `posts` posts from p`first` on, one in `wrong` of them predicted wrong."""
    folder.mkdir(parents=True)
    numbers = range(first, first + posts)
    true = np.array([i % 3 for i in numbers])
    said = np.array([(i + (i % wrong == 0)) % 3 for i in numbers])
    sure = 0.5 + 0.4 * np.array([(i * 7 % 11) / 11 for i in numbers])
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "predicted", "confidence", "status"])
        for i, a, b, confidence in zip(numbers, true, said, sure, strict=True):
            writer.writerow(
                [f"p{i}", SENTIMENT.names[a], SENTIMENT.names[b], confidence, "ok" if i % 3 else "image_missing"]
            )
    scores = asdict(score(true, said, SENTIMENT))
    scores |= {
        "intervals": bootstrap_intervals(true, said, labels=SENTIMENT, bootstrap=Bootstrap(resamples=50)),
        "calibration_error": 0.05,
    }
    review = {"threshold": 0.6, "share": 0.2, "accuracy_below": 0.5, "accuracy_above": 0.8}
    metrics = {
        "test": scores,
        "validation": scores | {"review": review},
        "protocol": {
            "test": "held out: looked at once",
            "validation": "chose",
            "intervals": "95 %",
            "train": 400,
            "validate": 60,
            "held_out": posts,
            "duplicate_groups_across": 0,
        },
        "training": {
            "fusion": "concat",
            "regime": "frozen",
            "seed": 0,
            "best_epoch": epochs,
            "epochs": epochs,
            "parameters": 1234,
        },
        "bundle": {"temperature": 1.1, "parity": {"probability": 1e-6}},
    }
    write(folder / "metrics.json", metrics)
    Split({f"p{i}": 0 for i in numbers}).save(folder / "split.json")
    environment = {
        "moodfuse": "0.1.0",
        "python": "3.11",
        "packages": {"numpy": "2"},
        "command": ["moodfuse", "train"],
        "data_sha256": "cd" * 32,
    }
    write(folder / "environment.json", environment | {"data": str(data) if data else None})
    (folder / "config.yaml").write_text(Config().to_yaml())
    lines = ["epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_macro_f1,lr,seconds"]
    lines += [f"{i},{1 / (i + 1)},0.{i + 1},{1.1 / (i + 1)},0.{i + 1},0.{i + 1},0.001,0.1" for i in range(epochs)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    return folder


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
