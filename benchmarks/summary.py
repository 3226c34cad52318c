"""Are the shares that `moodfuse summary` tells right, and how long does it take?

    python benchmarks/summary.py coverage              how often 95 % intervals hold the true share, over shifted draws
    python benchmarks/summary.py speed [ROWS]          seconds and memory for answers in CSV, a million by default
    python benchmarks/summary.py answers FILE [ROWS]   write such a file

Answers are simulated: posts of three labels are points around three centres, and a model that knows the centres answers
with the exact probabilities for its own mix of labels (0.3, 0.1, 0.6). So its probabilities are calibrated, about
three quarters of its answers are right, and the truth is known. Beside the estimates stand plain counts of answers
and means of probabilities, each with its own interval.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moodfuse.decide.model import held_out
from moodfuse.decide.prevalence import answer_rates, corrected_shares, uncorrected_shares
from moodfuse.labels import SENTIMENT
from moodfuse.runtime.bundle import Manifest, default_bundle, read_bundle
from moodfuse.runtime.confusion import Confusion, count_answers

Array = NDArray[np.float64]
LABELS = SENTIMENT.names
TRAINED_ON = np.array([0.3, 0.1, 0.6])
_CENTRES = np.array([[1.2, 0.0], [0.0, 1.5], [-1.2, 0.0]])
_BRANDS = ("Alder", "Birch", "Cedar", "Date", "Elm")


def draw_answers(posts: int, shares: Array, luck: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
    """Return the true labels (N,) of posts and a calibrated model's probabilities (N, C)."""
    true = luck.choice(len(LABELS), posts, p=shares)
    points = _CENTRES[true] + luck.standard_normal((posts, 2))
    logits = np.log(TRAINED_ON) - ((points[:, None] - _CENTRES) ** 2).sum(2) / 2
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return true, odds / odds.sum(1, keepdims=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way of estimating gave: whether each label's interval held the truth, its width, and the error."""

    held: Array
    width: Array
    error: Array


def coverage(draws: int, known: int, posts: int, seed: int = 0) -> dict[str, list[Outcome]]:
    """Return the outcomes of each way over draws of labels' shares from all that there are (Dirichlet, all 1)."""
    luck, found = np.random.default_rng(seed), dict[str, list[Outcome]]()
    for draw in range(draws):
        true, answers = draw_answers(known, TRAINED_ON, luck)
        confusion = count_answers(true, {"text": answers})["text"]
        size = len(LABELS)
        pairs = np.bincount(true * size + answers.argmax(1), minlength=size * size).reshape(size, size)
        plain = Confusion(counts=tuple(map(tuple, pairs.tolist())))
        shares = luck.dirichlet(np.ones(size))
        _, table = draw_answers(posts, shares, luck)
        ways = {
            f"corrected, {len(confusion.edges) + 1} bands of confidence": _corrected(confusion, table, draw),
            "corrected, by label alone (older bundles)": _corrected(plain, table, draw),
            "means of probabilities": _means(table, draw),
            "plain counts": _counted(table),
        }
        for name, (value, low, high) in ways.items():
            outcome = Outcome((low <= shares) & (shares <= high), high - low, np.abs(value - shares))
            found.setdefault(name, []).append(outcome)
    return found


def _corrected(confusion: Confusion, table: Array, seed: int) -> tuple[Array, Array, Array]:
    places = confusion.answers(table.argmax(1), table.max(1))
    counts = np.bincount(places, minlength=len(confusion.counts[0]))[None]
    shares = corrected_shares({"text": counts}, {"text": confusion}, seed=seed)
    return shares.values[0], *shares.bounds[:, 0]


def _means(table: Array, seed: int) -> tuple[Array, Array, Array]:
    shares = uncorrected_shares(table.sum(0)[None], (table.T @ table)[None], np.array([len(table)]), seed=seed)
    return shares.values[0], *shares.bounds[:, 0]


def _counted(table: Array) -> tuple[Array, Array, Array]:
    part = np.bincount(table.argmax(1), minlength=len(LABELS)) / len(table)
    half = 1.96 * np.sqrt(part * (1 - part) / len(table))
    return part, part - half, part + half


def print_coverage(draws: int) -> None:
    """Print how often the intervals of each way held the truth."""
    for known, posts in ((4_000, 1_000), (4_000, 100_000), (400, 1_000)):
        print(f"{draws} draws of labels' shares; {posts:,} posts each, {known:,} held-out posts known")
        print(f"  {'':<44} covered {'(by label)':<22} width  error, points")
        for name, outcomes in coverage(draws, known, posts).items():
            held, width, error = (
                np.mean([getattr(one, part) for one in outcomes], axis=0) for part in ("held", "width", "error")
            )
            each = " ".join(f"{100 * share:.1f}" for share in held)
            numbers = f"{100 * held.mean():6.1f} % ({each})".ljust(33)
            print(f"  {name:<44} {numbers} {100 * width.mean():5.1f}  {100 * error.mean():5.1f}")


def write_answers(path: Path, rows: int, seed: int = 0) -> None:
    """Write answers as the model that moodfuse brings gives them; the mood of one brand falls in the last weeks."""
    luck, manifest = np.random.default_rng(seed), read_bundle(default_bundle()).manifest
    header = ["id", "text", "created_at", "brand", "label", "confidence", *(f"p_{label}" for label in LABELS)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*header, "used", "status", "needs_review", "details"])
        for start in range(0, rows, 10_000):
            writer.writerows(_answer_rows(start, min(10_000, rows - start), manifest, luck))


def _answer_rows(start: int, count: int, manifest: Manifest, luck: np.random.Generator) -> Iterator[list[object]]:
    confusion = held_out(manifest)["image|text"]
    rates, edges = answer_rates(np.array(confusion.counts)), np.array([0.36, *confusion.edges, 0.98])
    brands, days = luck.integers(0, len(_BRANDS), count), luck.integers(0, 120, count)
    fallen = (brands == 1) & (days > 80)
    true = np.where(fallen, luck.choice(3, count, p=[0.5, 0.1, 0.4]), luck.choice(3, count, p=TRAINED_ON))
    answers = (luck.random(count)[:, None] > rates.cumsum(1)[true]).sum(1).clip(max=rates.shape[1] - 1)
    best, band = np.divmod(answers, len(edges) - 1)
    sure = luck.uniform(edges[band], edges[band + 1]).round(6)
    said, common = luck.integers(0, 40, (count, 2)), luck.integers(0, 3_000, (count, 12))
    stamps = np.datetime64("2025-01-01T12:00:00") + days.astype("m8[D]")
    for at in range(count):
        text = " ".join([f"{LABELS[true[at]][:3]}{i}" for i in said[at]] + [f"word{i}" for i in common[at]])
        shares = [round((1 - sure[at]) / 2, 6)] * 3
        shares[best[at]] = sure[at]
        yield [
            *(start + at, text + (" #sale" if at % 7 == 0 else ""), stamps[at], _BRANDS[brands[at]]),
            *(LABELS[best[at]], sure[at], *shares, "image|text", "ok", sure[at] < manifest.review_threshold, ""),
        ]


_CHILD = """
import resource, sys, time
from pathlib import Path
start = time.perf_counter()
from moodfuse import summarise
from moodfuse.workflows.summarising import write_summary
source = Path(sys.argv[1])
write_summary(summarise(source, by="week,brand,hashtag"), source.with_name("page.html"))
print(time.perf_counter() - start, time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""


def print_speed(rows: int) -> None:
    """Print seconds and memory for a page of so many answers, and beside them reading the file alone with `csv`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        write_answers(path, rows)
        start = time.perf_counter()
        with path.open(encoding="utf-8", newline="") as file:
            read = sum(1 for _ in csv.reader(file))
        alone = time.perf_counter() - start
        command = [sys.executable, "-c", _CHILD, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        wall, cpu, memory = map(float, done[-3:])
        size = path.stat().st_size / 2**20
    print(f"{rows:,} answers, {size:,.0f} MB of CSV: by week, brand and hashtag, as a page")
    print(f"  moodfuse summary      {wall:6.1f} s ({cpu:.1f} s of CPU), {memory:,.0f} MB at the most")
    print(f"  Python's csv alone    {alone:6.1f} s for {read - 1:,} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("coverage", "speed", "answers"))
    parser.add_argument("rest", nargs="*", help="FILE and ROWS, or ROWS")
    parser.add_argument("--draws", type=int, default=500)
    given = parser.parse_args()
    if given.what == "coverage":
        print_coverage(given.draws)
    elif given.what == "speed":
        print_speed(int(given.rest[0]) if given.rest else 1_000_000)
    else:
        write_answers(Path(given.rest[0]), int(given.rest[1]) if len(given.rest) > 1 else 10_000)


if __name__ == "__main__":
    main()
