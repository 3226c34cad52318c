"""Posts a second, folder in, file out: the baseline, moodfuse in full and in reduced precision, and the floor.

    python benchmarks/speed/throughput.py DATA [--posts 500] [--times 5] [--json]

Models are loaded before the clock starts; reading the folder and writing the answers count.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from baseline import Baseline
from bundles import BROUGHT, frozen_bundle
from floor import Parts
from measure import Row, interleaved, options, part_of, show, timed

from moodfuse import Predictor
from moodfuse.workflows.prediction import Answers, predict_source


def main() -> None:
    given = options(__doc__, ("posts", 500))
    with part_of(given.data, given.posts) as folder, tempfile.TemporaryDirectory() as scratch:
        bundles = {"full precision": frozen_bundle(given.data, Path(scratch)), "the bundle it brings": BROUGHT}
        predictors = {name: Predictor.load(path) for name, path in bundles.items()}
        parts = {name: Parts(path, folder) for name, path in bundles.items()}
        plain, output = Baseline(), Path(scratch) / "out.csv"
        pieces = [(name, piece) for name in bundles for piece in ("decode", "image", "text")]
        runs = {"baseline": lambda: timed(lambda: plain.predict(folder, output))}
        runs |= {
            name: partial(timed, partial(predict_source, predictor, folder, output, answers=Answers("csv", force=True)))
            for name, predictor in predictors.items()
        }
        runs |= {f"{name}, {piece} alone": getattr(parts[name], piece) for name, piece in pieces}
        seconds = interleaved(runs, given.times)
    rows = [Row("posts a second, baseline", f"{given.posts / seconds['baseline']:.1f}")]
    for name, least in (("full precision", 4.0), ("the bundle it brings", 6.0)):
        ratio = seconds["baseline"] / seconds[name]
        rows.append(
            Row(
                f"posts a second, {name}",
                f"{given.posts / seconds[name]:.1f}: {ratio:.2f} times the baseline",
                f">= {least:g} times",
                ratio >= least,
            )
        )
        pieces_of = {piece: seconds[f"{name}, {piece} alone"] for piece in ("decode", "image", "text")}
        floor = sum(pieces_of.values())
        shares = ", ".join(f"{piece} {1000 * value / given.posts:.2f} ms" for piece, value in pieces_of.items())
        above = seconds[name] / floor
        rows.append(
            Row(
                f"above the floor, {name}",
                f"{above:.2f} times ({given.posts / floor:.1f} posts a second: {shares} a post)",
                "<= 1.2 times",
                above <= 1.2,
            )
        )
    show(rows, given)


if __name__ == "__main__":
    main()
