"""Several encoders of one modality as one: their vectors one after the other, tokens from the first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from moodfuse.config import Precision
from moodfuse.data.images import ImageSpec
from moodfuse.data.text import TextSpec
from moodfuse.learn.encoders.base import Encoded, Encoder, EncoderSource


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
        return Encoded(torch.cat([encoded.pooled for encoded in found], -1), found[0].tokens, found[0].mask)


class JoinedSource(EncoderSource):
    """The sources of several encoders of one modality, which stay frozen."""

    def __init__(self, parts: Sequence[EncoderSource]) -> None:
        self._parts = tuple(parts)
        self.modality = parts[0].modality
        self.name = " + ".join(part.name for part in parts)
        self.summary = "; ".join(part.summary for part in parts)

    @property
    def parts(self) -> tuple[EncoderSource, ...]:
        return self._parts

    @property
    def spec(self) -> TextSpec | ImageSpec:
        """How the first encoder's inputs are prepared; each part has its own."""
        return self._parts[0].spec

    @property
    def weights(self) -> tuple[Path, ...]:
        return tuple(path for part in self._parts for path in part.weights)

    def at(self, precision: Precision) -> Self:
        other = super().at(precision)
        other._parts = tuple(part.at(precision) for part in self._parts)
        return other

    def load(self) -> JoinedEncoder:
        return JoinedEncoder([part.load() for part in self._parts])

    def fingerprint(self) -> str:
        return hashlib.sha256("".join(part.fingerprint() for part in self._parts).encode()).hexdigest()[:32]
