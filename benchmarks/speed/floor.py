"""The floor: decoding alone, and each encoder's ONNX session alone at its best batch. Nothing can be cheaper."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measure import CORES, timed

from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.images import look, pixels
from moodfuse.data.posts import Post
from moodfuse.data.text import prepare_text
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.collation import length_batches, pad_tokens
from moodfuse.runtime.graphs import open_session
from moodfuse.runtime.tokenizer import load_tokenizer

IMAGE_BATCHES = (1, 2, 4, 8)
TOKEN_BUDGETS = (64, 128, 256, 512, 2_048)


class Parts:
    """The three parts of labelling, each by itself, on posts that lie in memory."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        opened = read_bundle(bundle)
        manifest = opened.manifest
        assert manifest.text is not None
        assert manifest.image is not None
        self.spec, text = manifest.image, manifest.text
        self.pad_id = text.pad_id
        # One thread a session, as many at once as there are cores: or one session on all cores. The better one counts.
        self.sessions = {
            (name, threads): open_session(opened.path(f"{name}.onnx"), threads=threads)
            for name in ("text", "image")
            for threads in {1, CORES}
        }
        posts = list(stream_posts(folder, part="predict", strict=False))
        tokenizer = load_tokenizer(opened.path("tokenizer.json").read_text("utf-8"), max_tokens=text.max_tokens)
        texts = [prepare_text(post.text, text.cleaning)[0] for post in posts]
        self.ids = [tokenizer.encode(one).ids for one in texts if one]
        self.posts = posts
        self.pixels = [one for one in map(self._pixels, posts) if one is not None]

    def decode(self) -> float:
        """Return the seconds to open and decode all images and bring them to size, in one thread a core."""
        with ThreadPoolExecutor(CORES) as pool:
            return timed(lambda: list(pool.map(self._pixels, self.posts)))

    def image(self) -> float:
        """Return the seconds of the image session at its best batch."""
        return min(
            self._spread("image", threads, [self.pixels[i : i + size] for i in range(0, len(self.pixels), size)])
            for size in IMAGE_BATCHES
            for threads in {1, CORES}
        )

    def text(self) -> float:
        """Return the seconds of the text session at its best batch, texts sorted by length."""
        return min(
            self._spread("text", threads, [[self.ids[i] for i in batch] for batch in batches])
            for batches in (length_batches([len(ids) for ids in self.ids], budget) for budget in TOKEN_BUDGETS)
            for threads in {1, CORES}
        )

    def _spread(self, name: str, threads: int, batches: Sequence[Sequence[object]]) -> float:
        session, feed = self.sessions[name, threads], self._feed(name)
        feeds = [feed(batch) for batch in batches]
        began = time.perf_counter()
        with ThreadPoolExecutor(CORES // threads) as pool:
            list(pool.map(lambda one: session.run(["pooled"], one), feeds))
        return time.perf_counter() - began

    def _feed(self, name: str) -> Callable[[Sequence[object]], dict[str, np.ndarray]]:
        if name == "image":
            return lambda batch: {"pixels": np.stack(batch)}  # type: ignore[arg-type]
        return lambda batch: dict(zip(("input_ids", "attention_mask"), pad_tokens(batch, self.pad_id), strict=True))  # type: ignore[arg-type]

    def _pixels(self, post: Post) -> np.ndarray | None:
        image = None if post.image is None else look(post.image).image
        return None if image is None else pixels(image, self.spec)
