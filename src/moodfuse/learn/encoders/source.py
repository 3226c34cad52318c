"""The source of an encoder: what is known of it before its weights are loaded, and how it encodes posts."""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from torch import Tensor

from moodfuse import files
from moodfuse.config import Augmentation, DataConfig, Modality, Precision
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import Posts
from moodfuse.data.text import TextSpec
from moodfuse.learn.augmentation import Draw
from moodfuse.learn.encoders.base import Encoder, VectorPart
from moodfuse.learn.encoders.features import Features
from moodfuse.learn.encoders.graph import encoder_graph
from moodfuse.learn.precision import reduce_weights
from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import ViewSpec, graph_name
from moodfuse.runtime.graphs import open_session, output_width

#: The version of the rounding, part of the fingerprint at these precisions: raise it when rounding changes.
_ROUNDING: dict[Precision, tuple[int, ...]] = {"int8": (2,), "int8_dynamic": (1,)}


class LiveInputs(Protocol):
    """A modality of N posts as inputs of an encoder."""

    present: np.ndarray
    #: Number of tokens of each post, if posts of similar length belong in the same batch.
    lengths: Sequence[int] | None

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> tuple[Tensor, ...]:
        """Return the inputs of these posts, in the order of `Encoder.inputs`; `random` turns augmentation on."""


class EncoderSource(ABC):
    """An encoder that has a name.

    The source provides everything that is done with the encoder: `features` of posts if it is frozen, `live` inputs if
    it trains, the `graphs` that a bundle needs, and its description for the manifest (`views`) and for the model
    (`vector_parts`). A subclass of `TokenSource` or `ImageSource` defines how inputs are prepared (`spec`) and how the
    encoder is loaded.
    """

    name: str
    modality: Modality
    summary: str
    #: Raise it when the output changes for the same weights: stored features are then computed again.
    revision: int = 1
    #: Width D of `pooled`, if it is known before the weights are loaded.
    dim: int | None = None
    #: Whether it gives tokens beside the pooled vector.
    has_tokens: bool = True
    #: Whether it has weights that can be trained.
    trainable: bool = True
    #: Whether its vectors are normalised before they are fused (see `MissingToken`).
    normalise: bool = True
    #: The folder of its exported graph; `None` is the cache folder, which all runs share.
    graph_folder: Path | None = None
    #: The precision of the weights in its graph.
    precision: Precision = "fp32"

    def __init__(self, data: DataConfig) -> None:  # noqa: B027 (no duty: many encoders need nothing of it)
        """Registered encoders take the configuration's `data` section alone; other encoders take what they need."""

    @property
    @abstractmethod
    def spec(self) -> TextSpec | ImageSpec:
        """How inputs are prepared."""

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that hold the pretrained weights: a single file, or shards; empty if nothing was trained."""
        return ()

    @abstractmethod
    def load(self) -> Encoder:
        """Load the pretrained encoder, in eval mode.

        Raises `ConfigError` if a weight is missing: no weight is ever random.
        """

    @abstractmethod
    def features(
        self, posts: Posts, *, tokens: bool = False, store: FeatureStore | None = None, progress: Progress = silent
    ) -> Features:
        """Return the frozen encoder's features of the posts; known features come from `store` (`None`: the user's).

        Each row holds `pooled` (D,) and, if `tokens` is true, `tokens` (T, D) without padding.
        """

    @abstractmethod
    def live(self, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> LiveInputs:
        """Return the posts as inputs of the encoder."""

    def graphs(self, trained: Encoder | None = None, *, place: int = 0) -> dict[str, bytes | Path]:
        """Return the files that a bundle needs of the encoder, by name.

        `trained` is the encoder itself if it has trained; `place` is its index among the encoders of its modality.
        """
        graph = self.graph() if trained is None else reduce_weights(encoder_graph(trained.cpu()), self.precision)
        return {graph_name(self.modality, place): graph}

    def views(self) -> tuple[ViewSpec, ...]:
        """Return the manifest's description of the encoder, or of each of several joined encoders."""
        return (ViewSpec.model_validate({"encoder": self.name, self.modality: self.spec}),)

    def vector_parts(self, width: int) -> tuple[VectorPart, ...]:
        """Return the parts of the pooled vector, `width` wide: a part for each joined encoder."""
        return (VectorPart(width, self.normalise),)

    def width(self) -> int:
        """Return D, the width of the pooled vector."""
        return self.dim or _graph_width(self.graph())

    def graph(self) -> Path:
        """Return the frozen encoder's ONNX graph; the first time, export it."""
        path = (self.graph_folder or files.cache_folder() / "encoders") / f"{self.fingerprint()}.onnx"
        if not path.is_file():
            files.make_folder(path.parent)
            files.write_bytes(path, self._export())
        return path

    def _export(self) -> bytes:
        if self.precision == "fp32":
            return encoder_graph(self.load())
        return reduce_weights(self.at("fp32").graph().read_bytes(), self.precision)

    def at(self, precision: Precision) -> Self:
        """Return the same source, with its weights kept in `precision`."""
        source = copy.copy(self)
        source.precision = precision
        return source

    def classifier(self, labels: Sequence[str]) -> dict[str, Tensor] | None:
        """Return the linear layer that it was taught with: weight (C, D), bias (C,); `None` if it told other labels."""
        return None

    def fingerprint(self) -> str:
        """Return a name for what the encoder computes: same fingerprint, same features for the same input."""
        made = [self.precision, *_ROUNDING.get(self.precision, ()), *self.identity()]
        digest = hashlib.sha256(json.dumps(made).encode())
        for path in self.weights:
            there = path.stat()
            digest.update(bytes.fromhex(_digest(path, there.st_size, there.st_mtime_ns)))
        return digest.hexdigest()[:32]

    def identity(self) -> tuple[str | int | None, ...]:
        """Return everything that determines the output, except the weights; a subclass adds its own settings."""
        kind = type(self)
        # Cleaning is left out: the store's key is made from the cleaned text, so it covers cleaning already.
        prepared = self.spec.model_dump_json(exclude={"cleaning"})
        return (f"{kind.__module__}.{kind.__qualname__}", self.revision, self.dim, prepared)

    def reading(self) -> str:
        """Return a name for the features of uncleaned posts: `fingerprint` and, for texts, the cleaning before it."""
        return self.fingerprint()


@lru_cache(maxsize=64)
def _digest(path: Path, _size: int, _changed: int) -> str:
    """Return the SHA-256 of a file, which is read again only if its size or the time of its last change is another."""
    return files.sha256(path)


@lru_cache(maxsize=32)
def _graph_width(graph: Path) -> int:
    return output_width(open_session(graph))
