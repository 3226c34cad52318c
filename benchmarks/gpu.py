"""The same posts on each device of this machine: posts a second, and how far the answers are from those of the CPU.

    python benchmarks/gpu.py DATA [--bundle BUNDLE] [--posts 500] [--times 3] [--devices cuda,openvino] [--json]

By default every device that ONNX Runtime has a provider for. Turns are interleaved, the median counts; a first turn of
each warms it up. *whole*: from files to answers; *graphs*: texts and images are tokenised and decoded already.
*alone*: how far a post's probabilities move when it is not predicted with the others. A device that does not start, or
does not take the bundle's graphs, is told and left out.

    python benchmarks/gpu.py DATA --train 1,2,4 [--recipe default]

Instead: two epochs of a training over 1, 2 and 4 GPUs (processes, where there is no GPU), one after the other: seconds
of the second epoch, how many times faster than the first count, and the loss. The head has no dropout, so losses differ
by the encoders' dropout alone, whose masks each process draws for itself.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime

from moodfuse import Post, Prediction, Predictor
from moodfuse.data.formats.readers import stream_posts
from moodfuse.runtime.devices import CPU, devices_here

ALONE = 20  # posts that are also predicted one by one


def main() -> None:
    """Measure and print a row for each device, or for each number of devices that train together."""
    given = options()
    if given.train:
        show_training([(count, *trained(given.data, given.recipe, count)) for count in given.train], given)
        return
    posts = list(islice(stream_posts(given.data, part="predict", strict=False), given.posts))
    wanted = [CPU, *(device for device in given.devices or devices_here() if device != CPU)]
    opened = {device: Predictor.load(given.bundle, device=device) for device in wanted}
    predictors = {device: predictor for device, predictor in opened.items() if predictor.device == device}
    answers = {device: probabilities(predictor.stream(posts)) for device, predictor in predictors.items()}
    prepared = list(opened[CPU].prepare_ahead(posts))
    whole: dict[str, list[float]] = {device: [] for device in predictors}
    graphs: dict[str, list[float]] = {device: [] for device in predictors}
    for _ in range(given.times):
        for device, predictor in predictors.items():
            began = time.perf_counter()
            list(predictor.stream(posts))
            middle = time.perf_counter()
            for window in prepared:
                list(predictor.run(window))
            whole[device].append(middle - began)
            graphs[device].append(time.perf_counter() - middle)
    rows = [
        {
            "device": device,
            "whole": round(len(posts) / statistics.median(whole[device]), 1),
            "graphs": round(len(posts) / statistics.median(graphs[device]), 1),
            "largest difference": float(np.abs(answers[device] - answers[CPU]).max()),
            "labels that differ": int((answers[device].argmax(1) != answers[CPU].argmax(1)).sum()),
            "alone": float(np.abs(one_by_one(predictor, posts) - answers[device][:ALONE]).max()),
        }
        for device, predictor in predictors.items()
    ]
    show(rows, len(posts), given)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="posts in any format that moodfuse predict reads")
    parser.add_argument("--bundle", type=Path, help="a bundle or a run; by default the one that moodfuse brings")
    parser.add_argument("--posts", type=int, default=500)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--devices", type=lambda names: names.split(","))
    parser.add_argument("--train", type=lambda counts: [int(count) for count in counts.split(",")])
    parser.add_argument("--recipe", default="default", help="what --train trains; its encoders must be at hand")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def probabilities(predictions: Iterable[Prediction]) -> np.ndarray:
    """Return the probabilities (N, C)."""
    return np.array([list(one.probabilities.values()) for one in predictions])


def one_by_one(predictor: Predictor, posts: list[Post]) -> np.ndarray:
    """Return the probabilities (`ALONE`, C) of the first posts, each predicted by itself."""
    return np.concatenate([probabilities(predictor.stream([post])) for post in posts[:ALONE]])


def show(rows: list[dict[str, object]], posts: int, given: argparse.Namespace) -> None:
    """Print the rows as JSON or as Markdown."""
    if given.json:
        print(json.dumps({"posts": posts, "onnxruntime": onnxruntime.__version__, "rows": rows}, indent=1))
        return
    print(f"{posts} posts, {given.times} turns; ONNX Runtime {onnxruntime.__version__}, {platform.machine()}\n")
    print("| device | posts a second, whole | graphs | largest difference to the CPU | labels that differ | alone |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows:
        cells = [f"{value:.1e}" if name in ("largest difference", "alone") else value for name, value in row.items()]
        print(f"| {' | '.join(map(str, cells))} |")


def trained(data: Path, recipe: str, devices: int) -> tuple[float, float]:
    """Train for two epochs over so many devices; return seconds and loss of the second."""
    with tempfile.TemporaryDirectory(prefix="moodfuse-gpu-") as runs:
        settings = ["train.epochs=2", "train.monitor=none", "train.patience=0", f"train.devices={devices}"]
        settings += [
            "train.members=1",
            "split.hold_out=true",
            "model.dropout=0",
            "model.modality_dropout=0",
            "--name",
            "run",
            "--runs",
            runs,
        ]
        moodfuse = Path(sys.executable).with_name("moodfuse")
        subprocess.run([moodfuse, "train", data, "--recipe", recipe, *settings], check=True, stdout=subprocess.DEVNULL)
        with (Path(runs) / "run" / "history.csv").open(encoding="utf-8", newline="") as file:
            last = list(csv.DictReader(file))[-1]
    return float(last["seconds"]), float(last["train_loss"])


def show_training(rows: list[tuple[int, float, float]], given: argparse.Namespace) -> None:
    """Print seconds and losses as JSON or as Markdown."""
    first = rows[0][1]
    if given.json:
        names = ("devices", "seconds", "loss")
        print(
            json.dumps({"recipe": given.recipe, "rows": [dict(zip(names, row, strict=True)) for row in rows]}, indent=1)
        )
        return
    print(f"recipe {given.recipe}, second epoch\n\n| devices | seconds | times faster | loss |\n|---:|---:|---:|---:|")
    for devices, seconds, loss in rows:
        print(f"| {devices} | {seconds:.1f} | {first / seconds:.2f} | {loss:.4f} |")


if __name__ == "__main__":
    main()
