"""What the packaged model's recipe scores on posts that its trainings had not seen.

    python benchmarks/accuracy.py DATA [RECIPE ...] [--seeds 3] [--folds 5] [--out FOLDER]

The bundle itself was trained on every labelled post, so no post is left to score it on: its recipe is cross-validated
instead, near-duplicates kept together. Prints a Markdown table with 95 % intervals and what the paired tests say of
every two recipes; cells that FOLDER holds are not run again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from moodfuse import compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("recipes", nargs="*", help="default, and others to hold beside it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    arguments = parser.parse_args()
    recipes = arguments.recipes or ["default"]
    result = compare(
        arguments.data,
        fusions=recipes,
        seeds=arguments.seeds,
        folds=arguments.folds,
        name="+".join(recipes).replace("/", "-"),
        comparisons=arguments.out,
        progress=lambda what, done, total: print(f"{what}: {done} of {total}", file=sys.stderr, flush=True),
    )
    labels = list(result.rows[0].per_class)
    print(f"| recipe | accuracy | macro-F1 | {' | '.join(f'F1 {label}' for label in labels)} |")
    print("|---" * (3 + len(labels)) + "|")
    for row in result.rows:
        figures = [f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in (row.accuracy, row.macro_f1)]
        figures += [f"{one.f1:.3f} ({one.low:.3f} to {one.high:.3f})" for one in row.per_class.values()]
        print(f"| {row.arm} | {' | '.join(figures)} |")
    for verdict in result.verdicts:
        print(verdict.words)


if __name__ == "__main__":
    main()
