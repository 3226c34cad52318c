"""Features of frozen encoders: computed once, by the same graph that the bundle will run, and stored by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress
from moodfuse.runtime.graphs import Encoding
from moodfuse.runtime.views import join_encodings, mean_encoding


@dataclass(frozen=True, slots=True)
class Features:
    """A modality of N posts: one encoding per post, `None` if the post lacks the modality."""

    rows: list[Encoding | None]
    width: int

    @property
    def present(self) -> np.ndarray:
        """Which posts have the modality, (N,) booleans."""
        return np.array([row is not None for row in self.rows], dtype=bool)


@dataclass(frozen=True, slots=True)
class EncodingJob:
    """An encoding task: the content of each post (`None` if there is no content), and how to encode it."""

    what: str  # for the progress bar
    fingerprint: str  # of the encoder
    outputs: Sequence[str]
    contents: Sequence[bytes | None]
    encode: Callable[[Sequence[int]], Iterator[Encoding | None]]  # takes indices into `contents`
    order: Sequence[int]  # indices into `contents`, in the order in which they are encoded
    chunk: int  # contents between two writes to the store: the most that a Ctrl-C can lose


def stored_features(job: EncodingJob, store: FeatureStore, progress: Progress) -> Features:
    """Return the features of all posts from the store; compute and store features that are not in it."""
    keys = [None if content is None else _keys(job, content) for content in job.contents]
    known = store.get({key for named in keys if named for key in named.values()})
    rows = [_from_store(named, known) for named in keys]
    # Content that occurs in several posts is encoded once.
    first: dict[bytes, int] = {}
    for i in job.order:
        content = job.contents[i]
        if content is not None and rows[i] is None:
            first.setdefault(content, i)
    todo = list(first.values())
    for start in range(0, len(todo), job.chunk):
        progress(job.what, start, len(todo))
        part = todo[start : start + job.chunk]
        new: dict[bytes, np.ndarray] = {}
        for i, encoding in zip(part, job.encode(part), strict=True):
            named = keys[i]
            if encoding is None or named is None:
                continue
            # Rounded as the store rounds, so that a first run equals every later run.
            rows[i] = {kind: array.astype(np.float16).astype(np.float32) for kind, array in encoding.items()}
            new |= {named[kind]: array for kind, array in encoding.items()}
        store.put(new)
    if todo:
        progress(job.what, len(todo), len(todo))
        store.trim()
    for i, content in enumerate(job.contents):
        if content is not None and rows[i] is None:
            rows[i] = rows[first[content]]
    return Features(rows, _width(rows))


def mean_features(each: Features, counts: Sequence[int]) -> Features:
    """Return the features of posts from those of their images in order: `counts` says how many each post has.

    A post has the mean of its images' encodings, and lacks the modality where none of them has one.
    """
    if all(count == 1 for count in counts):
        return each
    left = iter(each.rows)
    rows: list[Encoding | None] = []
    for count in counts:
        there = [row for row in islice(left, count) if row is not None]
        rows.append(mean_encoding(there) if there else None)
    return Features(rows, each.width)


def join_features(parts: Sequence[Features]) -> Features:
    """Return the joined features of a modality's encoders; a post lacks the modality if any encoder found nothing."""
    rows: list[Encoding | None] = []
    for found in zip(*(part.rows for part in parts), strict=True):
        there = [encoding for encoding in found if encoding is not None]
        rows.append(join_encodings(there) if len(there) == len(parts) else None)
    return Features(rows, sum(part.width for part in parts) if any(rows) else 0)


def _from_store(named: dict[str, bytes] | None, known: dict[bytes, np.ndarray]) -> Encoding | None:
    if named is None or not all(key in known for key in named.values()):
        return None
    return {kind: known[key].astype(np.float32) for kind, key in named.items()}


def _width(rows: Sequence[Encoding | None]) -> int:
    return next((row["pooled"].shape[-1] for row in rows if row is not None), 0)


def _keys(job: EncodingJob, content: bytes) -> dict[str, bytes]:
    """Return the store's key for each output of a content."""
    return {
        kind: hashlib.blake2b(content, key=f"{job.fingerprint}:{kind}".encode(), digest_size=32).digest()
        for kind in job.outputs
    }
