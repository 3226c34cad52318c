"""What does `moodfuse adapt` gain, by the number of labels, over bundles that have not seen the posts?

    python benchmarks/adapt.py [--texts TEXTS --texts-from BUNDLE] [--posts DATA --posts-from BUNDLE] [--draws 8]
    python benchmarks/adapt.py --seconds DATA      how long 1,000 posts of text and image take, the packaged encoders

TEXTS is a folder with tweets_7_languages.csv, chinese_weibo.csv and english_emotions.csv, DATA one of labelled posts.
Targets: German and Spanish tweets, Weibo, four emotions as own classes, and the posts. Each BUNDLE must not have been
trained on its targets: one trained on English posts alone for the texts, one trained on texts alone for the posts.

Of each target 800 posts test and up to 1,000 can be labelled; near-duplicates never stand on both sides. For each
number of labels, `--draws` times as many are picked and adapted to, by the code behind the command. The table tells the
accuracy on the test posts before and after, the difference with a 95 % interval over draws and test posts, what
cross-validation on the labels alone said of it, and how often the command would have written a bundle.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moodfuse import Post, Posts, Predictor, adapt, read_posts
from moodfuse.data.duplicates import group_duplicates
from moodfuse.decide.adapting import LEAST_OF_LABEL, adapt_head, before_adapting
from moodfuse.decide.encoded_posts import encode_posts
from moodfuse.decide.head import Labelled
from moodfuse.decide.proof import compare_heads
from moodfuse.labels import SENTIMENT, Labels
from moodfuse.runtime.bundle import default_bundle, read_bundle, write_bundle
from moodfuse.workflows.evaluation import NEAR, SEEN

SIZES = (25, 50, 100, 200, 400, 800)
TESTED, POOL = 800, 1_000
EMOTIONS = Labels(("anger", "joy", "optimism", "sadness"))
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Target:
    """Labelled posts, and the labels to adapt to."""

    name: str
    posts: Posts
    labels: Labels


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=Path, metavar="DATA", help="labelled posts to time `adapt` on")
    given = parser.parse_args()
    if given.seconds:
        print(seconds(given.seconds))
        return
    print("| posts | labels | before | after | gain, points | cross-validation said | written |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for target, bundle in targets(given, TESTED + POOL):
        print_rows(target, Predictor.load(bundle), given.draws)


def arguments(told: str | None) -> argparse.ArgumentParser:
    """Return a parser of where the targets are, and of how many draws are wanted."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, help="folder of labelled texts")
    parser.add_argument("--texts-from", type=Path, help="a bundle that has not seen these texts")
    parser.add_argument("--posts", type=Path, help="labelled posts")
    parser.add_argument("--posts-from", type=Path, help="a bundle that has not seen the posts")
    parser.add_argument("--draws", type=int, default=8)
    return parser


def targets(given: argparse.Namespace, most: int) -> Iterator[tuple[Target, Path]]:
    """Yield the targets that are given, of so many posts at most, and the bundle of each."""
    if given.texts and given.texts_from:
        for target in text_targets(given.texts, most):
            yield target, given.texts_from
    if given.posts and given.posts_from:
        posts = read_posts(given.posts).labelled()
        drawn = np.random.default_rng(0).permutation(len(posts))[:most]
        yield Target("posts", posts.subset([posts.ids[row] for row in drawn]), SENTIMENT), given.posts_from


def seconds(data: Path) -> str:
    """Return how long `adapt` takes for 1,000 posts, from opening the bundle to writing one."""
    rows = [
        {"id": post.id, "text": post.text, "image": str(post.image.source) if post.image else None, "label": post.label}
        for post in read_posts(data).labelled()[:POOL]
    ]
    bundle = read_bundle(default_bundle())
    # A copy that does not record which posts it has seen: it takes as long, and nothing is left out.
    kept = {name: bundle.path(name) for name in bundle.manifest.files if name not in (SEEN, NEAR)}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOODFUSE_CACHE"] = folder  # no near-duplicates are known from before
        copy = write_bundle(Path(folder) / "bundle", bundle.manifest, kept).folder
        begun, busy = time.monotonic(), time.process_time()
        found = adapt(rows, Path(folder) / "mine", bundle=copy, keep_anyway=True)
        took, used = time.monotonic() - begun, time.process_time() - busy
    return f"{found.posts} posts: {took:.0f} s, {used:.0f} s of processor time"


def text_targets(folder: Path, most: int) -> Iterator[Target]:
    """Yield the targets without images."""
    tweets, weibo, emotions = (
        folder / name for name in ("tweets_7_languages.csv", "chinese_weibo.csv", "english_emotions.csv")
    )
    for language, name in (("de", "German tweets"), ("es", "Spanish tweets")):
        yield Target(name, some_of(tweets, "label", most, language), SENTIMENT)
    yield Target("Weibo", some_of(weibo, "label", most), SENTIMENT)
    yield Target("four emotions", some_of(emotions, "emotion", most), EMOTIONS)


def some_of(path: Path, label: str, most: int, language: str | None = None) -> Posts:
    """Return posts of a table, drawn at random, `most` at most; ids are counted, since some stand twice."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if language in (None, row["language"])]
    drawn = np.random.default_rng(0).permutation(len(rows))[:most]
    return Posts([Post(str(row), rows[row]["text"], label=rows[row][label]) for row in drawn], source=str(path))


def print_rows(target: Target, predictor: Predictor, draws: int) -> None:
    """Print the rows of a target."""
    everything = encoded(target, predictor)
    test = everything.take(np.arange(TESTED))
    rows = np.flatnonzero(~np.isin(everything.groups, test.groups))
    pool = everything.take(rows)
    for size in SIZES:
        picked = [np.random.default_rng([7, draw]).permutation(len(pool.true))[:size] for draw in range(draws)]
        print(row_of(target, pool, test, size, picked), flush=True)


def encoded(target: Target, predictor: Predictor) -> Labelled:
    """Return the posts of a target as an adapted head sees them."""
    groups = group_duplicates(target.posts).group_of
    true = np.array([target.labels.id(str(label)) for label in target.posts.labels])
    return Labelled(
        encode_posts(predictor, target.posts),
        true,
        np.array([groups[id] for id in target.posts.ids]),
        len(target.labels),
        target.labels == predictor.labels,
    )


def row_of(target: Target, pool: Labelled, test: Labelled, size: int, picked: list[Rows]) -> str:
    """Return the row of one number of labels, from several picks of so many posts."""
    before, after, said, written = [], [], [], 0
    for rows in picked:
        labelled = pool.take(rows)
        if np.bincount(labelled.true, minlength=labelled.labels).min() < LEAST_OF_LABEL:
            continue  # the command would refuse them
        found = adapt_head(labelled, target.labels)
        before.append(before_adapting(labelled, test))
        after.append(found.calibration.temperatures.probabilities(found.head.logits(test.posts), test.posts))
        said.append(found.proof.difference.difference)
        written += found.verdict == "better"
    if not after:
        return f"| {target.name} | {size} | a label is too rare |||||"
    shown = compare_heads(test.true, np.stack(before), np.stack(after), test.groups, target.labels)
    one = shown.difference
    return (
        f"| {target.name} | {size} | {shown.before.accuracy:.3f} | {shown.after.accuracy:.3f} | "
        f"{100 * one.difference:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f}) | "
        f"{100 * float(np.mean(said)):+.1f} | {written} of {len(after)} |"
    )


if __name__ == "__main__":
    main()
