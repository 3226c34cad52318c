"""What each step of the text stage is worth: the stage anew without it, on a smaller budget, scored on everything.

    python benchmarks/ablation.py POSTS OUT ENCODER [--texts 24000] [--runs runs/ablation]

OUT is the folder of texts that `benchmarks.default.corpora` wrote, ENCODER the pruned encoder (`make default-bundle`
leaves both in runs/). Every arm learns from as many texts, drawn with one seed from what it is allowed, in one epoch of
the upper four layers; each loses one thing. Then each answers the held-out texts and the probes of
benchmarks/behaviours.py, with paired tests against the whole, and `moodfuse compare` puts one fusion over each arm's
frozen encoder, on the same five folds of the posts. A run that has ended is not trained again.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import behaviours
import numpy as np
import texts
from probes import all_probes

from moodfuse import Predictor
from moodfuse.learn.encoders.e5 import decoded_folder

Row = dict[str, str]
SEED = 0
WHOLE = "whole"
OURS = ("sentences", "emoji", "respelled")  # what is no corpus of others


class Arm(NamedTuple):
    """An arm: its name, which texts it learns from, its encoder, and how many of the lowest parts stay as they are."""

    name: str
    allows: Callable[[Row], bool]
    encoder: str
    freeze: int = 9


def arms(encoder: str) -> list[Arm]:
    """Return all arms, the whole first."""

    def everything(_: Row) -> bool:
        return True

    return [
        Arm(WHOLE, everything, encoder),
        Arm("no-sentences", lambda row: row["corpus"] != "sentences", encoder),
        Arm("no-respelled", lambda row: row["corpus"] != "respelled", encoder),
        Arm("corpora-alone", lambda row: row["corpus"] not in OURS, encoder),
        Arm("english-alone", lambda row: row["language"] in ("en", ""), encoder),
        Arm("whole-vocabulary", everything, str(decoded_folder())),
        Arm("minilm", everything, "minilm", freeze=3),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posts", type=Path)
    parser.add_argument("folder", metavar="OUT", type=Path)
    parser.add_argument("encoder")
    parser.add_argument("--texts", type=int, default=24_000)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    given = parser.parse_args()
    runs = {arm.name: train(arm, given.folder, given.texts, given.runs) for arm in arms(given.encoder)}
    predictors = {name: Predictor.load(run / "bundle") for name, run in runs.items()}
    print("\n".join(on_texts(predictors, texts.held_out(given.folder))), flush=True)
    print("\n".join(on_probes(predictors)), flush=True)
    encoders = ",".join(map(str, runs.values()))
    compare = ["--fusions", "cma", "--seeds", "1", "--folds", "5", "--vary", "cma", f"model.text={encoders}"]
    moodfuse("compare", given.posts, *compare, "--name", "posts", "--comparisons", given.runs)


def train(arm: Arm, folder: Path, count: int, runs: Path) -> Path:
    """Train an arm if it has not been, and return its run."""
    run = runs / arm.name
    if not (run / "bundle").is_dir():
        table = write_texts(arm, folder, count, runs / f"{arm.name}-texts")
        recipe = ["--config", Path(__file__).with_name("default") / "texts.yaml", f"model.text={arm.encoder}"]
        smaller = [f"train.freeze={arm.freeze}", "train.epochs=1", "train.average=0.99"]
        split = ["--split", table.with_name("split.csv")]
        moodfuse("train", table, *split, *recipe, *smaller, "--name", arm.name, "--runs", runs)
    return run


def write_texts(arm: Arm, folder: Path, count: int, out: Path) -> Path:
    """Write an arm's training texts, `count` of them, and all that are held out; return the table."""
    parts = {row["id"]: row["split"] for row in read(folder / "split.csv")}
    rows = read(folder / "texts.csv")
    allowed = [row for row in rows if parts[row["id"]] == "train" and arm.allows(row)]
    chosen = np.random.default_rng(SEED).choice(len(allowed), min(count, len(allowed)), replace=False)
    kept = [allowed[place] for place in sorted(chosen.tolist())]
    kept += [row for row in rows if parts[row["id"]] != "train"]
    out.mkdir(parents=True, exist_ok=True)
    write(out / "split.csv", ({"id": row["id"], "split": parts[row["id"]]} for row in kept))
    write(out / "texts.csv", kept)
    return out / "texts.csv"


def read(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(file: Path, rows: Iterable[Row]) -> None:
    first, *others = rows
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(first))
        table.writeheader()
        table.writerows([first, *others])


def moodfuse(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "moodfuse", *map(str, arguments)], check=True)


def on_texts(predictors: dict[str, Predictor], rows: list[texts.Row]) -> list[str]:
    """Return the scores of held-out texts as Markdown, and the tests of each arm against the whole."""
    true, sets = texts.truth(rows)
    answers = {name: texts.probabilities(predictor, rows) for name, predictor in predictors.items()}
    figures = [line for name, given in answers.items() for line in texts.scores(name, given, true, sets)]
    tests = [line for name in answers if name != WHOLE for line in texts.tests(name, WHOLE, answers, true, sets)]
    return [texts.table(figures), *tests]


def on_probes(predictors: dict[str, Predictor]) -> list[str]:
    """Return the share of probes that passes as Markdown, and McNemar's tests of each arm against the whole."""
    probes = all_probes()
    passes = {name: behaviours.passed_by(predictor, probes) for name, predictor in predictors.items()}
    tests = [line for name in passes if name != WHOLE for line in behaviours.tests(probes, passes, name, WHOLE)]
    return [*behaviours.table(probes, passes), *tests]


if __name__ == "__main__":
    main()
