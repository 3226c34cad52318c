"""Features and epochs on them: computed once by moodfuse, again in each epoch by the reports' code.

    python benchmarks/speed/features.py DATA [--posts 1000] [--times 5] [--json]

"First time" is measured on `--posts` posts into an empty store, the baseline's encoding on the same. An epoch of a
fusion is that of its recipe on nine tenths of the labelled posts, one thread a core; the baseline's is its encoding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from baseline import Baseline, listed
from measure import Row, interleaved, options, part_of, show, tell, timed

from moodfuse.config import Modality
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.compare.cell import CellData, fit_cell
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.fusion import find_fusion, fusions
from moodfuse.learn.recipes import resolve_config
from moodfuse.learn.store import FeatureStore


def main() -> None:
    given = options(__doc__, ("posts", 1_000))
    posts = read_posts(given.data)
    plain = Baseline()
    with part_of(given.data, given.posts) as folder:
        ids = listed(folder)
        some = posts.subset(ids)
        seconds = interleaved(
            {
                "baseline": lambda: timed(lambda: list(plain.encode(folder, ids))),
                "first time": partial(_first_time, some),
            },
            given.times,
        )
    ratio = seconds["baseline"] / seconds["first time"]
    a_post = seconds["baseline"] / given.posts
    _features(posts)  # whatever of them the store lacks
    again = timed(partial(_features, posts))
    rows = [
        Row(
            "features, first time",
            f"{given.posts / seconds['first time']:.1f} posts a second: {ratio:.2f} times the baseline's encoding",
            ">= 4 times",
            ratio >= 4,
        ),
        Row(f"features of {len(posts):,} posts, second time", f"{again:.2f} s", "< 5 s", again < 5),
        *_epochs(posts, a_post),
    ]
    show(rows, given)


def _features(posts: Posts, store: FeatureStore | None = None) -> None:
    for source in encoder_sources(resolve_config("concat")).values():
        source.features(posts, store=store)


def _first_time(posts: Posts) -> float:
    """Return the seconds of features into an empty store; the encoders' graphs are there already."""
    with tempfile.TemporaryDirectory() as scratch:
        return timed(lambda: _features(posts, FeatureStore(Path(scratch) / "features.sqlite")))


def _epochs(posts: Posts, a_post: float) -> list[Row]:
    """Return a row a fusion: its epoch against encoding every post anew."""
    labelled = posts.labelled()
    labels = Labels(resolve_config("concat").labels)
    targets = [labels.id(str(post.label)) for post in labelled]
    count = len(labelled) * 9 // 10
    rows = {"train": range(count), "validation": range(count, len(labelled))}
    found: list[Row] = []
    for name in sorted(fusions()):
        kinds = _reads(name)
        if "pixels" in kinds:
            continue
        config = resolve_config(name, overrides=[{"train": {"epochs": 3}}])
        with feature_folder(labelled, [config]) as opener:
            data = CellData(targets, range(len(labelled)), opener)
            fitted = fit_cell(config, data, rows)
        epoch = min(one["seconds"] for one in fitted.history)
        ratio, least = count * a_post / epoch, 8 if "tokens" in kinds else 100
        tell(f"{name}: {epoch:.2f} s")
        found.append(
            Row(
                f"an epoch of {name} on {count:,} posts' features",
                f"{epoch:.2f} s: {ratio:.0f} times faster than encoding them anew ({count * a_post:.0f} s)",
                f">= {least} times",
                ratio >= least,
            )
        )
    return found


def _reads(name: str) -> Sequence[str]:
    fusion = find_fusion(name)
    modalities: tuple[Modality, ...] = fusion.modalities
    return [fusion.reads(modality) for modality in modalities]


if __name__ == "__main__":
    main()
