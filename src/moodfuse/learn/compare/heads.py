"""The heads of a comparison's cells: how they predict, and how they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from moodfuse.config import Config, Modality, Precision
from moodfuse.errors import DataError
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.export import HeadModule, head_graph, head_inputs
from moodfuse.learn.model import Branch, FusionModel
from moodfuse.learn.parts import assemble
from moodfuse.learn.precision import reduce_weights
from moodfuse.runtime.collation import head_feed
from moodfuse.runtime.graphs import Encoding, open_session

Encodings = Mapping[str, Sequence[Encoding | None]]


class Head:
    """A head that predicts from encodings.

    In fp32, PyTorch runs the module that an export turns into a graph; with fewer bits, ONNX Runtime runs that graph.
    """

    def __init__(
        self, model: FusionModel, widths: dict[Modality, int], precision: Precision = "fp32", *, side: int = 0
    ) -> None:
        """`side` is the size S of the pixels (B, 3, S, S), if the fusion reads pixels."""
        self.model = model
        self._names = head_inputs(model)
        self._module = HeadModule(model, self._names)
        self._widths: dict[str, int] = {m: side if model.fusion.reads(m) == "pixels" else w for m, w in widths.items()}
        self._session = None
        if precision != "fp32":
            self._session = open_session(reduce_weights(head_graph(model, widths, side=side), precision), threads=1)

    @torch.no_grad()
    def logits(self, encodings: Encodings) -> np.ndarray:
        """Return logits (B, C)."""
        feed = head_feed(self._names, encodings, self._widths)
        if self._session is not None:
            run: np.ndarray = self._session.run(["logits"], feed)[0]
            return run
        logits: np.ndarray = self._module(*(torch.from_numpy(feed[name]) for name in self._names)).numpy()
        return logits


def head_weights(model: FusionModel) -> bytes:
    """Return the weights of a model without encoders as a safetensors file, for `kept_head` to load."""
    content: bytes = save({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()})
    return content


def kept_head(
    path: Path, config: Config, sources: Mapping[Modality, EncoderSource], widths: dict[Modality, int]
) -> Head:
    """Return the head that a cell of `config`, with frozen encoders, has kept in `path`; in full precision.

    Raises `DataError` if the file holds no such head.
    """
    branches = {m: Branch(width, parts=sources[m].vector_parts(width)) for m, width in widths.items()}
    model = assemble(config, branches, [1.0] * len(config.labels))
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{path}: expected the weights of a {config.model.fusion} head, found {error}") from None
    return Head(model.eval(), widths)
