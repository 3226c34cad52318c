"""Features of frozen encoders: computed once, by the very graph that the bundle will run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moodfuse.data.images import image_bytes, open_image, pixels
from moodfuse.data.lexicon import lexicon_scores
from moodfuse.data.posts import ImageRef, Posts
from moodfuse.data.text import prepare_text
from moodfuse.learn.encoders import EncoderSource, ImageSource, LexiconSource, TextSource
from moodfuse.learn.export import encoder_graph
from moodfuse.learn.store import FeatureStore, cache_folder
from moodfuse.progress import Progress, silent
from moodfuse.runtime.graphs import EncoderSession, Encoding, ImageGraph, TextGraph, load_tokenizer

# Posts between two writes to the store: what a Ctrl-C can lose at most. Texts need more to fill a batch a thread.
_CHUNK = {"text": 256, "image": 64}


@dataclass(frozen=True, slots=True)
class Features:
    """One modality of N posts: one encoding a post, `None` where the post lacks the modality."""

    rows: list[Encoding | None]
    width: int

    @property
    def present(self) -> np.ndarray:
        """Which posts have the modality, (N,) booleans."""
        return np.array([row is not None for row in self.rows], dtype=bool)


def frozen_graph(source: EncoderSource) -> Path:
    """Return the encoder's ONNX graph, exported the first time it is asked for and kept in the cache folder."""
    path = (source.graph_folder or cache_folder() / "encoders") / f"{source.fingerprint()}.onnx"
    if not path.is_file():
        encoder_graph(source.load(), path, precision=source.precision)
    return path


def text_features(
    source: TextSource,
    posts: Posts,
    *,
    outputs: Sequence[str] = ("pooled",),
    store: FeatureStore | None = None,
    progress: Progress = silent,
) -> Features:
    """Return the posts' text features from the store, computing (and storing) those that are new."""
    texts = [prepare_text(post.text, source.spec.cleaning)[0] for post in posts]
    contents = [None if text is None else text.encode() for text in texts]
    graph: TextGraph | None = None

    def compute(indices: Sequence[int]) -> Iterator[Encoding | None]:
        nonlocal graph
        if graph is None:
            tokenizer = load_tokenizer(source.tokenizer_json, max_tokens=source.spec.max_tokens)
            graph = TextGraph(EncoderSession(frozen_graph(source)), tokenizer, source.spec)
        yield from graph.encode([ids for ids, _ in graph.tokenize([texts[i] or "" for i in indices])], outputs)

    # Longest texts share a chunk, and so a batch: a chunk is what the length-sorted batches are cut from.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i] or ""))
    return _collect(source, contents, order, compute, outputs, store or FeatureStore(), progress)


def lexicon_features(
    source: LexiconSource, posts: Posts, *, store: FeatureStore | None = None, progress: Progress = silent
) -> Features:
    """Return the posts' lexicon scores, as `text_features` does for an encoder; they have no tokens."""
    texts = [prepare_text(post.text, source.spec.cleaning)[0] for post in posts]
    contents = [None if text is None else text.encode() for text in texts]

    def compute(indices: Sequence[int]) -> Iterator[Encoding | None]:
        yield from ({"pooled": lexicon_scores(texts[i] or "")} for i in indices)

    return _collect(source, contents, range(len(texts)), compute, ("pooled",), store or FeatureStore(), progress)


def image_features(
    source: ImageSource,
    posts: Posts,
    *,
    outputs: Sequence[str] = ("pooled",),
    store: FeatureStore | None = None,
    progress: Progress = silent,
) -> Features:
    """Return the posts' image features from the store, computing (and storing) those that are new."""
    graph: ImageGraph | None = None
    with ThreadPoolExecutor() as pool:
        contents = list(pool.map(_image_key, [post.image for post in posts]))

        def decode(i: int) -> np.ndarray | None:
            reference = posts[i].image
            image = None if reference is None else open_image(reference)[0]
            return None if image is None else pixels(image, source.spec)

        def compute(indices: Sequence[int]) -> Iterator[Encoding | None]:
            nonlocal graph
            if graph is None:
                graph = ImageGraph(EncoderSession(frozen_graph(source)), source.spec)
            arrays = list(pool.map(decode, indices))
            encoded = iter(graph.encode([array for array in arrays if array is not None], outputs))
            yield from (None if array is None else next(encoded) for array in arrays)

        return _collect(source, contents, range(len(posts)), compute, outputs, store or FeatureStore(), progress)


def _collect(
    source: EncoderSource,
    contents: Sequence[bytes | None],
    order: Sequence[int],
    compute: Callable[[Sequence[int]], Iterator[Encoding | None]],
    outputs: Sequence[str],
    store: FeatureStore,
    progress: Progress,
) -> Features:
    fingerprint = source.fingerprint()
    keys = [
        None if content is None else {kind: _key(fingerprint, kind, content) for kind in outputs}
        for content in contents
    ]
    known = store.get({key for named in keys if named for key in named.values()})
    rows: list[Encoding | None] = [_from_store(named, known) for named in keys]
    # A content that stands in several posts is computed once.
    first: dict[bytes, int] = {}
    for i in order:
        content = contents[i]
        if content is not None and rows[i] is None:
            first.setdefault(content, i)
    todo = list(first.values())
    what = f"{source.modality} features ({source.name})"
    chunk = _CHUNK[source.modality]
    for start in range(0, len(todo), chunk):
        progress(what, start, len(todo))
        part = todo[start : start + chunk]
        new: dict[bytes, np.ndarray] = {}
        for i, encoding in zip(part, compute(part), strict=True):
            named = keys[i]
            if encoding is None or named is None:
                continue
            # Rounded as the store rounds, so that a first run equals every later one.
            rows[i] = {kind: array.astype(np.float16).astype(np.float32) for kind, array in encoding.items()}
            new |= {named[kind]: array for kind, array in encoding.items()}
        store.put(new)
    if todo:
        progress(what, len(todo), len(todo))
        store.trim()
    for i, content in enumerate(contents):
        if content is not None and rows[i] is None:
            rows[i] = rows[first[content]]
    return Features(rows, _width(rows))


def _from_store(named: dict[str, bytes] | None, known: dict[bytes, np.ndarray]) -> Encoding | None:
    if named is None or not all(key in known for key in named.values()):
        return None
    return {kind: known[key].astype(np.float32) for kind, key in named.items()}


def _width(rows: Sequence[Encoding | None]) -> int:
    for row in rows:
        if row is not None:
            return int(next(iter(row.values())).shape[-1])
    return 0


def _key(fingerprint: str, kind: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, key=f"{fingerprint}:{kind}".encode(), digest_size=32).digest()


def _image_key(image: ImageRef | None) -> bytes | None:
    content = image_bytes(image)
    return None if content is None else hashlib.blake2b(content, digest_size=32).digest()
