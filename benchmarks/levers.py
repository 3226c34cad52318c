"""What each change to the recipe `default` gives, alone, on the same folds.

    python benchmarks/levers.py DATA [LEVER ...] [--seeds 1] [--folds 3] [--workers N] [--out FOLDER]

`base` is `concat` on the vectors of a MiniLM whose upper half trains and of a frozen image encoder; every lever is that
and what `LEVERS` says. Some read runs/minilm-rated, which benchmarks/rated_encoder.py makes.
Prints a Markdown table: scores with 95 % intervals, and the paired difference to `base` with its interval and p value
(also corrected for all pairs). Without LEVERs: all. Cells that FOLDER holds are not run again; other levers need
another FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from moodfuse import read_posts
from moodfuse.learn.compare.models import compared
from moodfuse.learn.recipes import resolve_config
from moodfuse.records.claim import Claim
from moodfuse.records.results import ArmRow, PairRow
from moodfuse.settings import parse_overrides
from moodfuse.workflows.comparison.run import Effort, compare_models

BASE = [
    "model.fusion=concat",
    "model.auxiliary=0.3",
    "train.regime=end_to_end",
    "train.freeze=4",
    "train.epochs=3",
    "train.average=0.99",
    "train.monitor=none",
    "train.patience=0",
    "optim.layer_decay=0.9",
    "export={text: int8, image: fp16}",
]
RATED = Path("runs/minilm-rated")
CMA_WEIGHTED = ["model.fusion=cma", "optim.lr=1e-4", "train.class_weights=sqrt"]
LEVERS = {
    "all weights": ["train.freeze=0", "optim.layer_decay=1.0"],
    "lora": ["train.freeze=0", "optim.layer_decay=1.0", "train.lora=16", "optim.encoder_lr=1e-3"],
    "class weights": ["train.class_weights=sqrt"],
    "cleaning": ["data.cleaning.retweets=true", "data.cleaning.hashtags=split"],
    "head rate": ["optim.lr=1e-4"],
    "cma": ["model.fusion=cma", "optim.lr=1e-4"],
    "cma, class weights": CMA_WEIGHTED,
    "cma, class weights, all but embeddings": [*CMA_WEIGHTED, "train.freeze=1"],
    "rated": [f"model.text={RATED}"],
    "cma, class weights, rated": [*CMA_WEIGHTED, f"model.text={RATED}"],
    "cma, class weights, rated, members": [*CMA_WEIGHTED, f"model.text={RATED}", "train.members=2"],
    "generalized": ["train.loss=generalized"],
    "focal": ["train.loss=focal"],
    "smoothing": ["train.label_smoothing=0.1"],
    "no average": ["train.average=0"],
    "members": ["train.members=3"],
    "epochs": ["train.epochs=5"],
    "lite2": ["model.image=efficientnet-lite2"],
    "cross attention": ["model.fusion=cross_attention", "optim.lr=3e-4"],
    "image": ["train.tune=[text,image]"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("levers", nargs="*", help=", ".join(LEVERS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folds", type=int, default=3, choices=range(2, 6))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    arguments = parser.parse_args()
    chosen = arguments.levers or list(LEVERS)
    if unknown := set(chosen) - set(LEVERS):
        parser.error(f"expected {', '.join(LEVERS)}; found {', '.join(sorted(unknown))}")
    if not RATED.is_dir() and any(f"model.text={RATED}" in LEVERS[name] for name in chosen):
        parser.error(f"no folder {RATED}; python benchmarks/rated_encoder.py {RATED} makes it")
    changes = {"base": list[str]()} | {name: LEVERS[name] for name in chosen}
    result = compare_models(
        [
            compared(name, resolve_config(overrides=[parse_overrides([*BASE, *words])]))
            for name, words in changes.items()
        ],
        read_posts(arguments.data),
        Effort(seeds=arguments.seeds, folds=arguments.folds, workers=arguments.workers),
        Claim("comparison", arguments.out.parent, arguments.out.name),
        progress=lambda what, done, total: print(f"{what}: {done} of {total}", file=sys.stderr, flush=True),
    )
    show([row for row in result.rows if row.arm in changes], result.results.pairs)


def show(rows: Sequence[ArmRow], pairs: Sequence[PairRow]) -> None:
    """Print a row for each lever: scores, and its difference to `base` on the same posts."""
    print("| lever | accuracy | macro-F1 | points macro-F1 against base | p | p, corrected | seconds a cell |")
    print("|---" * 7 + "|")
    for row in rows:
        figures = [f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in (row.accuracy, row.macro_f1)]
        figures += against_base(row.arm, pairs)
        print(f"| {row.arm} | {' | '.join(figures)} | {row.seconds:.0f} |")


def against_base(lever: str, pairs: Sequence[PairRow]) -> list[str]:
    """Return the cells of a lever's difference to `base`, which are empty for `base` itself."""
    for pair in pairs:
        if {pair.a, pair.b} == {lever, "base"}:
            sign = 100 if pair.a == lever else -100
            low, high = sorted((sign * pair.low, sign * pair.high))
            points = f"{sign * pair.difference:+.1f} ({low:+.1f} to {high:+.1f})"
            return [points, f"{pair.p_bootstrap:.3f}", f"{pair.p:.3f}"]
    return ["", "", ""]


if __name__ == "__main__":
    main()
