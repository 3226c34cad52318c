"""What an encoder is: the source it is loaded from, and the module that turns inputs into `Encoded`."""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from moodfuse import files
from moodfuse.config import Modality, Precision
from moodfuse.data.images import ImageSpec
from moodfuse.data.text import TextSpec

#: Part of every fingerprint: raise it when an encoder's output changes for the same weights.
REVISION = 1
#: Part of the fingerprints of encoders kept in these bits: raise it when rounding changes.
_ROUNDING: dict[Precision, tuple[int, ...]] = {"int8": (2,)}


@dataclass(frozen=True, slots=True)
class Encoded:
    """One modality's encoding of B posts.

    `tokens` (B, T, D) are text tokens or image regions, `mask` (B, T) is true at real ones, `pooled` (B, D) sums a
    post up in one vector. `tokens` and `mask` are `None` where only pooled vectors were asked for. An image that no
    encoder stands before comes as `pixels` (B, 3, S, S), its `pooled` the mean colour (B, 3).
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    pixels: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Encoded:
        """Return the encoding with `function` applied to each tensor."""
        return replace(
            self,
            pooled=function(self.pooled),
            tokens=None if self.tokens is None else function(self.tokens),
            mask=None if self.mask is None else function(self.mask),
            pixels=None if self.pixels is None else function(self.pixels),
        )


def unencoded(pixels: Tensor) -> Encoded:
    """Return images (B, 3, S, S) as they are."""
    return Encoded(pixels.mean((2, 3)), pixels=pixels)


class Encoder(nn.Module):
    """A module whose `forward` takes the tensors that `inputs` names and returns `Encoded`."""

    #: (name, dynamic axes) of each input, in the order of `forward`.
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    dim: int

    #: Inputs of the right types and shapes, to trace the module with.
    example: tuple[Tensor, ...]


class EncoderSource(ABC):
    """All that is known of an encoder before its weights are loaded."""

    name: str
    modality: Modality
    summary: str
    #: Where its exported graph is kept; `None`: in the cache folder, for every run.
    graph_folder: Path | None = None
    #: How the weights of its graph are kept.
    precision: Precision = "fp32"
    #: Whether its vectors are brought to one scale before they are fused (see `MissingToken`).
    normalise: bool = True

    @property
    def parts(self) -> tuple[EncoderSource, ...]:
        """The encoders that this is made of: itself, unless it joins several."""
        return (self,)

    @property
    @abstractmethod
    def spec(self) -> TextSpec | ImageSpec:
        """How inputs are prepared."""

    @property
    @abstractmethod
    def weights(self) -> tuple[Path, ...]:
        """The files that hold the pretrained weights: one, or its shards."""

    @abstractmethod
    def load(self) -> Encoder:
        """Load the pretrained encoder. Raises `ConfigError` where a weight is missing: never a random one."""

    def at(self, precision: Precision) -> Self:
        """Return the same encoder, its weights kept in `precision`."""
        other = copy.copy(self)
        other.precision = precision
        return other

    def fingerprint(self) -> str:
        """Name what the encoder computes: same fingerprint, same features for the same input."""
        digest = hashlib.sha256(
            json.dumps([REVISION, self.precision, *_ROUNDING.get(self.precision, ()), self._preparation()]).encode()
        )
        for path in self.weights:
            digest.update(bytes.fromhex(files.sha256(path)))
        return digest.hexdigest()[:32]

    def reading(self) -> str:
        """Name what it makes of a post as it came: `fingerprint` and, of a text, the cleaning before it."""
        spec = self.spec
        if not isinstance(spec, TextSpec):
            return self.fingerprint()
        cleaned = hashlib.sha256(spec.cleaning.model_dump_json().encode()).hexdigest()
        return f"{self.fingerprint()}-{cleaned[:8]}"

    def _preparation(self) -> str:
        return self.spec.model_dump_json()


class TextSource(EncoderSource):
    """A source of a text encoder, which brings its tokenizer along."""

    modality: Modality = "text"

    @property
    @abstractmethod
    def spec(self) -> TextSpec: ...

    @property
    @abstractmethod
    def tokenizer_json(self) -> str:
        """The content of the encoder's `tokenizer.json`."""

    def _preparation(self) -> str:
        # Cleaning is left out: features are kept by the text as cleaned, so it is in their key already.
        return (
            self.spec.model_dump_json(exclude={"cleaning"}) + hashlib.sha256(self.tokenizer_json.encode()).hexdigest()
        )


class DerivedText(TextSource):
    """A source made from that of another text encoder, with its tokenizer and preparation."""

    base: TextSource

    @property
    def spec(self) -> TextSpec:
        return self.base.spec

    @property
    def tokenizer_json(self) -> str:
        return self.base.tokenizer_json


class ImageSource(EncoderSource):
    """A source of an image encoder."""

    modality: Modality = "image"

    @property
    @abstractmethod
    def spec(self) -> ImageSpec: ...
