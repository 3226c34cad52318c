"""Predictor: a stream of posts in, a stream of predictions out. Everything that scores a post goes through it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from moodfuse.config import Modality
from moodfuse.data.coverage import CoveredLanguages
from moodfuse.data.fetching import fetch_ahead, forget_ahead
from moodfuse.data.images import MAX_PIXELS, Seen, read_of
from moodfuse.data.posts import UNREAD, Post, Status
from moodfuse.data.text import prepare_text
from moodfuse.errors import BundleError, DataError
from moodfuse.evaluate.logits import softmax
from moodfuse.runtime import views
from moodfuse.runtime.bundle import GRAPHS, Bundle, read_bundle
from moodfuse.runtime.collation import head_feed
from moodfuse.runtime.devices import CPU
from moodfuse.runtime.graphs import Encoding, run_graph
from moodfuse.runtime.hub import find_bundle
from moodfuse.runtime.inputs import NONE_SEEN, ImageSource, ReadImages, next_window, read_images, single_post
from moodfuse.runtime.processes import OncePerProcess
from moodfuse.runtime.sessions import open_sessions, reopen_sessions
from moodfuse.runtime.unread import NOT_UNDERSTOOD

WINDOW = 128  # posts in flight: enough to sort texts by length, and the bound of what memory holds


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one post. `probabilities` stand in the order of the bundle's labels."""

    id: str
    label: str
    probabilities: dict[str, float]
    confidence: float
    used: frozenset[Modality]
    status: tuple[Status, ...]
    needs_review: bool
    #: What a status alone does not say: the path that was tried, the format that was found.
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedPost:
    """One post, cleaned, tokenised and decoded; `None` for what the model will not see.

    Where a modality has several encoders, there is a tuple with the input of each.
    """

    id: str
    token_ids: views.EncoderInput | None
    pixels: views.EncoderInput | None
    status: list[Status]
    #: Further images of the post, as `pixels` is its first that could be read.
    more_pixels: tuple[views.EncoderInput, ...] = ()
    details: tuple[str, ...] = ()
    #: Width and height of the first image that could be read.
    size: tuple[int, int] | None = None


class Predictor:
    """Runs a bundle. A post's answer depends on that post alone, whatever stands beside it.

    `threads` is the number of CPU threads for the graphs and for decoding images; `None` takes all cores. An image of
    more than `max_pixels` is not decoded (`image_too_large`). `graphs` is a folder that `map_graphs` wrote. `device` is
    cpu, cuda, directml, coreml, openvino, or auto for the first that is there; the CPU stands in for one that will not
    do, with a line in the log `moodfuse.devices`.

    A predictor may be forked and pickled: the child or the copy reads the same bundle again when it is first asked.
    That raises `BundleError` where the bundle is gone, or has become another.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
        graphs: Path | None = None,
        device: str = CPU,
    ) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.labels = bundle.labels
        self._threads = threads or os.cpu_count() or 1
        self.max_pixels = max_pixels
        self._covered = CoveredLanguages(bundle.manifest.languages)
        sessions = open_sessions(bundle, self._threads, graphs, device)
        there = replace(bundle, folder=bundle.folder.absolute())  # who reads it again may work in another folder
        self._sessions = OncePerProcess(sessions, partial(reopen_sessions, there, self._threads, graphs, device))

    @classmethod
    def load(cls, folder: str | Path | None = None, *, threads: int | None = None, device: str = CPU) -> Predictor:
        """Open the bundle (or the run) in `folder`, or at `hf://USER/NAME@REVISION`; `None` opens moodfuse's own.

        Raises `BundleError` where it is not whole, `ConfigError` for a device that is none.
        """
        return cls(read_bundle(find_bundle(folder)), threads=threads, device=device)

    def predict(self, text: str | None = None, image: ImageSource | Sequence[ImageSource] | None = None) -> Prediction:
        """Predict one post from its text, its image (a path or encoded bytes; a list of several), or both."""
        return next(self.stream([single_post(text, image)]))

    @property
    def device(self) -> str:
        """The device that the encoders run on in this process."""
        return self._sessions.get().device

    @property
    def _text(self) -> views.TextReader | None:
        return self._sessions.get().text

    @property
    def _image(self) -> views.ImageReader | None:
        return self._sessions.get().image

    @property
    def widths(self) -> dict[str, int]:
        """The width D of what the head reads of each modality, 0 where it reads none; for pixels the side."""
        return {"text": self._text.dim if self._text else 0, "image": self._image.dim if self._image else 0}

    @property
    def enough(self) -> int:
        """The shorter side of an image that is enough for its encoder, in pixels; 0 where it reads none."""
        return self._image.enough if self._image else 0

    def stream(self, posts: Iterable[Post], *, window: int = WINDOW) -> Iterator[Prediction]:
        """Yield a prediction for every post, in order. Holds at most two windows of posts at a time."""
        with closing(self.prepare_ahead(posts, window)) as windows:
            for prepared in windows:
                yield from self.run(prepared)

    def prepare_ahead(self, posts: Iterable[Post], window: int = WINDOW) -> Generator[list[PreparedPost], None, None]:
        """Yield the posts prepared, in order and in windows; while one is used, the next is prepared in threads."""
        source, process = iter(posts), os.getpid()
        pending: deque[list[Future[PreparedPost]]] = deque()
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                while True:
                    if os.getpid() != process:  # its threads stayed behind: waiting for them would never end
                        raise DataError("a stream of predictions cannot go on in a forked process; begin it there")
                    if chunk := list(next_window(source, window)):
                        if self._image is not None:
                            fetch_ahead(image for post in chunk for image in read_of(post.images))
                        pending.append([pool.submit(self.prepare, post) for post in chunk])
                    if not pending:
                        return
                    if len(pending) > 1 or not chunk:
                        yield [future.result() for future in pending.popleft()]
            finally:  # the consumer may stop early: what it never asked for is not worth waiting for
                pool.shutdown(wait=False, cancel_futures=True)
                forget_ahead()

    def prepare(self, post: Post, seen: Mapping[int, Seen] = NONE_SEEN) -> PreparedPost:
        """Clean, tokenise and decode a post: what needs no graph, and may run in many threads at once.

        `seen` holds those of its images that are decoded already, by their places from 0.
        """
        status: list[Status] = []
        details: list[str] = []
        token_ids = None
        images = ReadImages([], [], [])
        if self._text is not None:
            text, status = prepare_text(post.text, self._text.spec.cleaning, lossy=post.lossy, guessed=post.guessed)
            if text is not None:
                [(token_ids, cut)] = self._text.tokenize([text])
                if cut and Status.TEXT_TRUNCATED not in status:
                    status.append(Status.TEXT_TRUNCATED)
                if (self._text.unread(text, token_ids) or 0) >= NOT_UNDERSTOOD:
                    status.append(Status.TEXT_NOT_UNDERSTOOD)
                if self.manifest.languages and (other := self._covered.outside(text)):
                    status.append(Status.LANGUAGE_NOT_COVERED)
                    details.append(f"{Status.LANGUAGE_NOT_COVERED}: {other}")
        if self._image is not None:
            images = read_images(post.images, self._image, self.max_pixels, seen)
            status += images.status
            details += images.details
        if token_ids is None and not images.arrays:
            status.append(Status.NOTHING_TO_READ)
        first, *more = images.arrays or [None]
        return PreparedPost(post.id, token_ids, first, status or [Status.OK], tuple(more), tuple(details), images.size)

    def run(self, posts: Sequence[PreparedPost]) -> Iterator[Prediction]:
        """Yield the prediction of each prepared post. The graphs use all cores by themselves; two threads may ask."""
        return self.answer(posts, *self.encode(posts))

    def answer(
        self, posts: Sequence[PreparedPost], text: Sequence[Encoding | None], image: Sequence[Encoding | None]
    ) -> Iterator[Prediction]:
        """Yield the prediction of each post from what `encode` made of it."""
        for post, row, has_text, has_image in zip(posts, self.score(text, image), text, image, strict=True):
            read: dict[Modality, Encoding | None] = {"text": has_text, "image": has_image}
            yield self._prediction(post, row, frozenset(m for m, encoding in read.items() if encoding is not None))

    def encode(self, posts: Sequence[PreparedPost]) -> tuple[list[Encoding | None], list[Encoding | None]]:
        """Return what the encoders make of each post's text and of its image; `None` for what is absent."""
        if self._text is None or self._image is None or self._threads == 1:
            return self._encode_texts(posts), self._encode_images(posts)
        texts = self._sessions.get().beside.submit(self._encode_texts, posts)
        images = self._encode_images(posts)
        return texts.result(), images

    def encode_pooled(self, posts: Sequence[PreparedPost]) -> tuple[list[Encoding | None], list[Encoding | None]]:
        """Return the encodings as `encode` does, but the pooled vectors alone, whatever the head reads."""
        return _encode_texts(self._text, posts, ("pooled",)), _encode_images(self._image, posts, ("pooled",))

    def score(self, text: Sequence[Encoding | None], image: Sequence[Encoding | None]) -> np.ndarray:
        """Return the probabilities (B, C) of B pairs of encodings, which may come from different posts."""
        feed = head_feed(self.manifest.head_inputs, {"text": text, "image": image}, self.widths)
        (logits,) = run_graph(self._sessions.get().head, ["logits"], feed, GRAPHS["head"])
        if logits.shape != (len(text), len(self.labels)) or not np.isfinite(logits).all():
            raise BundleError(f"{self.bundle.folder}: the model answers with what are no finite numbers, one a label")
        return softmax(logits / np.array([self._temperature(*pair) for pair in zip(text, image, strict=True)])[:, None])

    def _temperature(self, text: Encoding | None, image: Encoding | None) -> float:
        if text is None and image is None:
            return 1.0  # the training shares, which a post with nothing to read gets, are no logits to be calibrated
        whole = self.manifest.temperature
        if text is not None and image is not None:
            return whole
        return self.manifest.temperatures.get("image" if text is None else "text", whole)

    def _prediction(self, post: PreparedPost, row: np.ndarray, used: frozenset[Modality]) -> Prediction:
        best = int(row.argmax())
        confidence = float(row[best])
        return Prediction(
            id=post.id,
            label=self.labels.names[best],
            probabilities=dict(zip(self.labels.names, map(float, row), strict=True)),
            confidence=confidence,
            used=used,
            status=tuple(post.status),
            needs_review=confidence < self.manifest.review_threshold or not UNREAD.isdisjoint(post.status),
            details=post.details,
        )

    def _encode_texts(self, posts: Sequence[PreparedPost]) -> list[Encoding | None]:
        return _encode_texts(self._text, posts, self._outputs("text"))

    def _encode_images(self, posts: Sequence[PreparedPost]) -> list[Encoding | None]:
        return _encode_images(self._image, posts, self._outputs("image"))

    def _outputs(self, modality: str) -> list[str]:
        return [kind for kind in ("pooled", "tokens", "pixels") if f"{modality}_{kind}" in self.manifest.head_inputs]


def _encode_texts(
    reader: views.TextReader | None, posts: Sequence[PreparedPost], kinds: Sequence[str]
) -> list[Encoding | None]:
    ids = [post.token_ids for post in posts if post.token_ids is not None]
    encoded = iter(reader.encode(ids, kinds) if reader and ids else ())
    return [None if post.token_ids is None else next(encoded) for post in posts]


def _encode_images(
    reader: views.ImageReader | None, posts: Sequence[PreparedPost], kinds: Sequence[str]
) -> list[Encoding | None]:
    arrays = [one for post in posts if post.pixels is not None for one in (post.pixels, *post.more_pixels)]
    encoded = iter(reader.encode(arrays, kinds) if reader and arrays else ())
    return [
        None if post.pixels is None else views.mean_encoding(list(islice(encoded, 1 + len(post.more_pixels))))
        for post in posts
    ]
