"""Exactness: the same labels as the unoptimised path, PyTorch in fp32 and texts padded to 128, on every post of DATA.

    python benchmarks/speed/exactness.py DATA [--posts 0] [--json]

`--posts N` takes the first N only. The head is the bundle's in both paths: `concat`, trained here on frozen encoders.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from baseline import BATCH, Baseline
from bundles import frozen_bundle
from measure import Row, options, show, tell

from moodfuse import Predictor
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.images import look
from moodfuse.data.posts import Posts
from moodfuse.data.text import prepare_text
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.graphs import Encoding

AGREED = 0.003  # share of labels that may differ


def main() -> None:
    given = options(__doc__, ("posts", 0))
    posts = read_posts(given.data)
    posts = posts[: given.posts] if given.posts else posts
    rows: list[Row] = []
    text, image = _plain_encodings(posts)
    with tempfile.TemporaryDirectory() as scratch:
        for name, precisions in {"full": {}, "reduced": {"text": "int8", "image": "fp16"}}.items():
            predictor = Predictor(read_bundle(frozen_bundle(given.data, Path(scratch), **precisions)))
            expected = predictor.score(text, image)  # (N, 3)
            found = np.array([list(one.probabilities.values()) for one in predictor.stream(posts)])
            flips = float((expected.argmax(1) != found.argmax(1)).mean())
            apart = float(np.abs(expected - found).max())
            parity = predictor.manifest.parity["probability"]
            rows.append(
                Row(
                    f"labels as the unoptimised path's, {name} precision",
                    f"{100 * flips:.2f} % of {len(posts):,} differ; probabilities by at most {apart:.1e} "
                    f"(on the manifest's posts: {parity:.1e})",
                    "<= 0.3 %",
                    flips <= AGREED,
                )
            )
    show(rows, given)


@torch.no_grad()
def _plain_encodings(posts: Posts) -> tuple[list[Encoding | None], list[Encoding | None]]:
    """Return both encoders' vectors of each post; `None` where it has no text, or no image that can be read."""
    plain = Baseline()
    cleaning = resolve_config("concat").data.cleaning
    texts: list[Encoding | None] = []
    images: list[Encoding | None] = []
    for start in range(0, len(posts), BATCH):
        some = [posts[i] for i in range(start, min(len(posts), start + BATCH))]
        words = [prepare_text(post.text, cleaning)[0] for post in some]
        opened = [None if post.image is None else look(post.image).image for post in some]
        texts += _spread(words, plain.text_vectors([one for one in words if one is not None]).numpy())
        images += _spread(opened, plain.image_vectors([one for one in opened if one is not None]).numpy())
        if start % (20 * BATCH) == 0:
            tell(f"unoptimised path: {start} of {len(posts)}")
    return texts, images


def _spread(given: list[object], vectors: np.ndarray) -> list[Encoding | None]:
    found = iter(vectors)
    return [None if one is None else {"pooled": next(found)} for one in given]


if __name__ == "__main__":
    main()
