"""Latency of one post, warm: `Predictor.predict` against the two encoders' sessions alone on the same post.

python benchmarks/speed/latency.py DATA [--posts 200] [--times 5] [--json]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bundles import BROUGHT
from measure import CORES, Row, interleaved, options, part_of, show

from moodfuse import Predictor
from moodfuse.data.formats.readers import stream_posts
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.graphs import open_session


def main() -> None:
    given = options(__doc__, ("posts", 200))
    predictor, bundle = Predictor.load(), read_bundle(BROUGHT)
    sessions = {name: open_session(bundle.path(f"{name}.onnx"), threads=CORES) for name in ("text", "image")}
    with part_of(given.data, given.posts) as folder:
        posts = [post for post in stream_posts(folder, part="predict", strict=False) if post.text and post.image]
        ready = [one for one in map(predictor.prepare, posts) if one.token_ids and one.pixels is not None]
        feeds = [_feeds(one.token_ids, one.pixels) for one in ready]

        def alone(feed: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
            sessions["text"].run(["pooled"], feed[0])
            sessions["image"].run(["pooled"], feed[1])

        seconds = interleaved(
            {
                "a post": lambda: _median(posts, lambda post: next(predictor.stream([post]))),
                "decoded already": lambda: _median(ready, lambda one: next(predictor.run([one]))),
                "the sessions alone": lambda: _median(feeds, alone),
            },
            given.times,
        )
    floor = seconds["the sessions alone"]
    ratio, decoded = seconds["a post"] / floor, seconds["decoded already"] / floor
    rows = [
        Row(
            "latency of one post, warm (p50)",
            f"{1000 * seconds['a post']:.1f} ms: {ratio:.2f} times the two sessions' {1000 * floor:.1f} ms "
            f"({decoded:.2f} without decoding)",
            "<= 1.3 times",
            ratio <= 1.3,
        )
    ]
    show(rows, given)


def _feeds(ids: list[int], pixels: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    tokens = np.array([ids], np.int64)
    return {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}, {"pixels": pixels[None]}


def _median(items: list[Any], work: Callable[[Any], object]) -> float:
    found = []
    for item in items:
        began = time.perf_counter()
        work(item)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


if __name__ == "__main__":
    main()
