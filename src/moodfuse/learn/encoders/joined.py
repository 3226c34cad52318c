"""Several encoders of a modality joined into a single encoder: vectors concatenated, no tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from moodfuse.config import Augmentation, Modality, Precision
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import Posts
from moodfuse.data.text import TextSpec
from moodfuse.learn.augmentation import Draw
from moodfuse.learn.encoders.base import Encoded, Encoder, VectorPart
from moodfuse.learn.encoders.features import Features, join_features
from moodfuse.learn.encoders.source import EncoderSource, LiveInputs
from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import ViewSpec


class JoinedEncoder(Encoder):
    """Encoders side by side; `forward` takes the inputs of all, in order."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.inputs = tuple(named for encoder in encoders for named in encoder.inputs)
        self.example = tuple(tensor for encoder in encoders for tensor in encoder.example)
        self.dim = sum(encoder.dim for encoder in encoders)
        self._counts = [len(encoder.inputs) for encoder in encoders]

    def forward(self, *inputs: Tensor) -> Encoded:
        """Return the encoders' pooled vectors joined (B, sum of D)."""
        given, found = list(inputs), []
        for encoder, count in zip(self.encoders, self._counts, strict=True):
            found.append(encoder(*given[:count]))
            del given[:count]
        return Encoded(torch.cat([encoded.pooled for encoded in found], -1))


class JoinedSource(EncoderSource):
    """The sources of several encoders of a modality, which stay frozen and give no tokens."""

    has_tokens = False

    def __init__(self, parts: Sequence[EncoderSource]) -> None:
        self._parts = tuple(parts)
        self.modality = parts[0].modality
        self.name = " + ".join(part.name for part in parts)
        self.summary = "; ".join(part.summary for part in parts)

    @property
    def spec(self) -> TextSpec | ImageSpec:
        """How the first encoder's inputs are prepared; each part has its own spec."""
        return self._parts[0].spec

    def at(self, precision: Precision) -> Self:
        source = super().at(precision)
        source._parts = tuple(part.at(precision) for part in self._parts)
        return source

    def load(self) -> JoinedEncoder:
        return JoinedEncoder([part.load() for part in self._parts])

    def features(
        self, posts: Posts, *, tokens: bool = False, store: FeatureStore | None = None, progress: Progress = silent
    ) -> Features:
        return join_features([part.features(posts, store=store, progress=progress) for part in self._parts])

    def live(self, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> LiveInputs:
        return JoinedInputs([part.live(posts, augmentation) for part in self._parts], self.modality)

    def graphs(self, trained: Encoder | None = None, *, place: int = 0) -> dict[str, bytes | Path]:
        contents: dict[str, bytes | Path] = {}
        for at, part in enumerate(self._parts, place):
            contents |= part.graphs(place=at)
        return contents

    def views(self) -> tuple[ViewSpec, ...]:
        return tuple(view for part in self._parts for view in part.views())

    def vector_parts(self, width: int) -> tuple[VectorPart, ...]:
        return tuple(piece for part in self._parts for piece in part.vector_parts(part.width()))

    def width(self) -> int:
        return sum(part.width() for part in self._parts)

    def fingerprint(self) -> str:
        return _named(part.fingerprint() for part in self._parts)

    def reading(self) -> str:
        return _named(part.reading() for part in self._parts)


class JoinedInputs:
    """The inputs of several encoders of a modality, in order."""

    def __init__(self, parts: Sequence[LiveInputs], modality: Modality) -> None:
        self._parts = parts
        self._modality = modality
        self.present = np.logical_and.reduce([part.present for part in parts])
        self.lengths = parts[0].lengths

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> tuple[Tensor, ...]:
        """Return the inputs of the first encoder, then those of the second, and so on; counts of images at the end."""
        each = [part.batch(indices, random) for part in self._parts]
        if self._modality == "image":
            return (*(inputs[0] for inputs in each), *each[0][1:])
        return tuple(tensor for inputs in each for tensor in inputs)


def _named(parts: Iterable[str]) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:32]
