"""Every recipe on the same posts and folds, packaged encoders, cross-validated: the table of fusions.

    python benchmarks/recipes.py DATA [RECIPE ...] [--folds 5] [--out FOLDER] [KEY=VALUE ...]

Each recipe is trained on seven of ten folds, its best epoch chosen on one, tested on two; five such cells test every
post once. Prints a Markdown table; a recipe that FOLDER has a result of is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from moodfuse import files, read_posts
from moodfuse.config import parse_overrides
from moodfuse.data.duplicates import Groups, group_duplicates
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.evaluate.intervals import bootstrap_intervals
from moodfuse.evaluate.metrics import score
from moodfuse.labels import SENTIMENT
from moodfuse.learn.compare import cross_validate
from moodfuse.learn.recipes import recipe_names, resolve_config


def measure(recipe: str, overrides: list[str], posts: Posts, groups: Groups, cells: int) -> dict[str, object]:
    """Return one row of the table."""
    config = resolve_config(recipe, overrides=[parse_overrides(overrides)])
    started = time.perf_counter()
    folds = make_split(posts, groups=groups).folds
    result = cross_validate(posts, folds, config, pairs=range(cells), groups=groups.of)
    tested = ~np.isnan(result.probabilities).any(1)
    true = np.array([SENTIMENT.id(str(label)) for label in posts.labels])[tested]
    group = [groups.of[i] for i, there in zip(posts.ids, tested, strict=True) if there]
    probabilities = result.probabilities[tested]
    scores = score(true, probabilities, SENTIMENT)
    intervals = bootstrap_intervals(true, probabilities, labels=SENTIMENT, groups=group)
    return {
        "recipe": recipe,
        "parameters": result.parameters,
        "epoch_seconds": round(result.epoch_seconds, 2),
        "posts": int(tested.sum()),
        "accuracy": [scores.accuracy, *intervals["accuracy"]],
        "macro_f1": [scores.macro_f1, *intervals["macro_f1"]],
        "seconds": round(time.perf_counter() - started),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("words", nargs="*", help="recipes (all) and overrides KEY=VALUE")
    parser.add_argument("--folds", type=int, default=5, choices=range(1, 6), help="cells of five to run")
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"))
    arguments = parser.parse_args()
    overrides = [word for word in arguments.words if "=" in word]
    recipes = [word for word in arguments.words if "=" not in word] or recipe_names()
    posts = read_posts(arguments.data).labelled()
    groups = group_duplicates(posts)
    print("| recipe | weights | s an epoch | posts | accuracy | macro-F1 |\n|---|---|---|---|---|---|", flush=True)
    for recipe in recipes:
        config = resolve_config(recipe, overrides=[parse_overrides(overrides)])
        key = json.dumps([config.model_dump(mode="json"), arguments.folds, posts.ids, str(arguments.data.resolve())])
        digest = hashlib.sha256(key.encode()).hexdigest()[:10]
        path = files.make_folder(arguments.out) / f"{recipe}-{digest}.json"
        if not path.exists():
            print(f"{recipe} ...", file=sys.stderr, flush=True)
            files.write_json(path, measure(recipe, overrides, posts, groups, arguments.folds))
        row = json.loads(path.read_text())
        cells = ["{:.3f} ({:.3f} to {:.3f})".format(*row[name]) for name in ("accuracy", "macro_f1")]
        print(f"| {recipe} | {row['parameters']:,} | {row['epoch_seconds']} | {row['posts']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
