"""Where an encoder comes from: all that is known of it before its weights are loaded, and what it makes of posts."""

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
from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import ViewSpec, graph_name
from moodfuse.runtime.graphs import open_session, output_width

#: Part of the fingerprints of encoders kept in these bits: raise it when rounding changes.
_ROUNDING: dict[Precision, tuple[int, ...]] = {"int8": (2,)}


class LiveInputs(Protocol):
    """One modality of N posts as inputs of an encoder."""

    present: np.ndarray
    #: Tokens of each post, where posts of like length belong in one batch.
    lengths: Sequence[int] | None

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> tuple[Tensor, ...]:
        """Return the inputs of these posts, in the order of `Encoder.inputs`; `random` asks for augmentation."""


class EncoderSource(ABC):
    """An encoder that can be named.

    It answers for all that is done with the encoder: `features` of posts where it stays frozen, `live` inputs where it
    trains, the `graphs` that a bundle needs, and what the manifest (`views`) and the model (`vector_parts`) are told.
    A subclass of `TokenSource` or `ImageSource` says how inputs are prepared (`spec`) and how the encoder is loaded.
    """

    name: str
    modality: Modality
    summary: str
    #: Raise it when the output changes for the same weights: features that are stored are then computed anew.
    revision: int = 1
    #: Width D of `pooled` where it is known before the weights are loaded.
    dim: int | None = None
    #: Whether it gives tokens beside the pooled vector.
    has_tokens: bool = True
    #: Whether it has weights that can be trained.
    trainable: bool = True
    #: Whether its vectors are brought to one scale before they are fused (see `MissingToken`).
    normalise: bool = True
    #: Where its exported graph is kept; `None`: in the cache folder, for every run.
    graph_folder: Path | None = None
    #: How the weights of its graph are kept.
    precision: Precision = "fp32"

    def __init__(self, data: DataConfig) -> None:  # noqa: B027 (no duty: many encoders need nothing of it)
        """A registered encoder is made from the configuration's `data` section alone; others from what they need."""

    @property
    @abstractmethod
    def spec(self) -> TextSpec | ImageSpec:
        """How inputs are prepared."""

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that hold the pretrained weights: one, or its shards; none where nothing was trained."""
        return ()

    @abstractmethod
    def load(self) -> Encoder:
        """Load the pretrained encoder, in eval mode.

        Raises `ConfigError` where a weight is missing: no weight is ever a random one.
        """

    @abstractmethod
    def features(
        self, posts: Posts, *, tokens: bool = False, store: FeatureStore | None = None, progress: Progress = silent
    ) -> Features:
        """Return what the frozen encoder makes of the posts, from `store` (`None`: the user's) where it is known.

        Each row holds `pooled` (D,) and, where `tokens` asks for them, `tokens` (T, D) without padding.
        """

    @abstractmethod
    def live(self, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> LiveInputs:
        """Return the posts as inputs of the encoder."""

    def graphs(self, trained: Encoder | None = None, *, place: int = 0) -> dict[str, bytes | Path]:
        """Return the files that a bundle needs of the encoder, by name.

        `trained` is the encoder itself where it has trained; `place` counts the encoders of its modality from 0.
        """
        graph = self.graph() if trained is None else encoder_graph(trained.cpu(), self.precision)
        return {graph_name(self.modality, place): graph}

    def views(self) -> tuple[ViewSpec, ...]:
        """Return what a manifest says of the encoder, or of each of several that are joined."""
        return (ViewSpec.model_validate({"encoder": self.name, self.modality: self.spec}),)

    def vector_parts(self, width: int) -> tuple[VectorPart, ...]:
        """Return the parts of the pooled vector, `width` wide: one for each encoder that is joined."""
        return (VectorPart(width, self.normalise),)

    def width(self) -> int:
        """Return D, the width of the pooled vector."""
        return self.dim or _graph_width(self.graph())

    def graph(self) -> Path:
        """Return the frozen encoder's ONNX graph, exported the first time it is asked for."""
        path = (self.graph_folder or files.cache_folder() / "encoders") / f"{self.fingerprint()}.onnx"
        if not path.is_file():
            files.make_folder(path.parent)
            files.write_bytes(path, encoder_graph(self.load(), self.precision))
        return path

    def at(self, precision: Precision) -> Self:
        """Return the same encoder, its weights kept in `precision`."""
        other = copy.copy(self)
        other.precision = precision
        return other

    def fingerprint(self) -> str:
        """Name what the encoder computes: same fingerprint, same features for the same input."""
        made = [self.precision, *_ROUNDING.get(self.precision, ()), *self.identity()]
        digest = hashlib.sha256(json.dumps(made).encode())
        for path in self.weights:
            digest.update(bytes.fromhex(files.sha256(path)))
        return digest.hexdigest()[:32]

    def identity(self) -> tuple[str | int | None, ...]:
        """Return all but the weights that the output hangs on; a subclass with settings of its own adds them."""
        kind = type(self)
        # Cleaning is left out: features are kept by the text as cleaned, so it is in their key already.
        prepared = self.spec.model_dump_json(exclude={"cleaning"})
        return (f"{kind.__module__}.{kind.__qualname__}", self.revision, self.dim, prepared)

    def reading(self) -> str:
        """Name what the encoder makes of a post as it came: `fingerprint` and, of a text, the cleaning before it."""
        return self.fingerprint()


@lru_cache(maxsize=32)
def _graph_width(graph: Path) -> int:
    return output_width(open_session(graph))
