"""What all text encoders do with posts."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from moodfuse.config import Augmentation, Modality
from moodfuse.data.posts import Posts
from moodfuse.data.text import TextSpec, prepare_text
from moodfuse.learn.augmentation import Draw
from moodfuse.learn.encoders.base import Encoder
from moodfuse.learn.encoders.features import EncodingJob, Features, stored_features
from moodfuse.learn.encoders.source import EncoderSource, LiveInputs
from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import tokenizer_name
from moodfuse.runtime.collation import pad_tokens
from moodfuse.runtime.graphs import EncoderSession, Encoding, TextGraph
from moodfuse.runtime.tokenizer import load_tokenizer
from moodfuse.runtime.views import TextReader

_CHUNK = 256  # texts between two writes to the store: enough to fill a batch per thread


class TextSource(EncoderSource):
    """The source of a text encoder, of tokens or of other inputs."""

    modality: Modality = "text"

    @property
    @abstractmethod
    def spec(self) -> TextSpec: ...

    @abstractmethod
    def reader(self) -> TextReader:
        """Open the encoder's reader as a bundle's predictor runs it."""

    def texts(self, posts: Posts) -> list[str | None]:
        """Return the posts' texts, cleaned, as the encoder gets them; `None` if a post has no text."""
        return [prepare_text(post.text, self.spec.cleaning)[0] for post in posts]

    def features(
        self, posts: Posts, *, tokens: bool = False, store: FeatureStore | None = None, progress: Progress = silent
    ) -> Features:
        texts = self.texts(posts)
        outputs = ("pooled", "tokens") if tokens else ("pooled",)
        reader = cache(self.reader)  # opened only if something is new

        def encode(places: Sequence[int]) -> Iterator[Encoding | None]:
            given = reader().tokenize([texts[i] or "" for i in places])
            yield from reader().encode([inputs for inputs, _ in given], outputs)

        job = EncodingJob(
            f"text features ({self.name})",
            self.fingerprint(),
            outputs,
            [None if text is None else text.encode() for text in texts],
            encode,
            # The longest texts share a chunk, and so a batch: length-sorted batches are cut from a chunk.
            sorted(range(len(texts)), key=lambda i: len(texts[i] or "")),
            _CHUNK,
        )
        return stored_features(job, store or FeatureStore(), progress)

    def reading(self) -> str:
        cleaned = hashlib.sha256(self.spec.cleaning.model_dump_json().encode()).hexdigest()
        return f"{self.fingerprint()}-{cleaned[:8]}"


class TokenSource(TextSource):
    """The source of an encoder of token ids, with its tokenizer; the encoder's inputs are `TOKEN_INPUTS`."""

    @property
    @abstractmethod
    def tokenizer_json(self) -> str:
        """The content of the encoder's `tokenizer.json`."""

    def reader(self) -> TextGraph:
        tokenizer = load_tokenizer(self.tokenizer_json, max_tokens=self.spec.max_tokens)
        return TextGraph(EncoderSession(self.graph()), tokenizer, self.spec)

    def live(self, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> LiveInputs:
        return TokenInputs(posts, self)

    def graphs(self, trained: Encoder | None = None, *, place: int = 0) -> dict[str, bytes | Path]:
        tokenizer = self.tokenizer_json.encode()
        return super().graphs(trained, place=place) | {tokenizer_name(place): tokenizer}

    def identity(self) -> tuple[str | int | None, ...]:
        return (*super().identity(), hashlib.sha256(self.tokenizer_json.encode()).hexdigest())


class TokenInputs:
    """Token ids of texts, and their mask."""

    def __init__(self, posts: Posts, source: TokenSource) -> None:
        tokenizer = load_tokenizer(source.tokenizer_json, max_tokens=source.spec.max_tokens)
        texts = source.texts(posts)
        # A post without text still fills a row of the batch; the content of that row is never used.
        self._ids = [encoded.ids for encoded in tokenizer.encode_batch([text or "" for text in texts])]
        self._pad_id = source.spec.pad_id
        self.present = np.array([text is not None for text in texts], dtype=bool)
        self.lengths: Sequence[int] | None = [len(ids) for ids in self._ids]

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> tuple[torch.Tensor, ...]:
        """Return ids and mask, both (B, T)."""
        ids, mask = pad_tokens([self._ids[i] or [self._pad_id] for i in indices], self._pad_id)
        return torch.from_numpy(ids), torch.from_numpy(mask)
