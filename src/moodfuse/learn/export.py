"""From PyTorch modules to ONNX graphs."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from moodfuse import files
from moodfuse.config import Modality, Precision
from moodfuse.errors import TrainingError
from moodfuse.learn.encoders import Encoded, Encoder, unencoded
from moodfuse.learn.model import FusionModel
from moodfuse.learn.precision import reduce_weights

#: The largest difference in a probability that an fp32 export may show.
PARITY = 1e-4


class _EncoderGraph(nn.Module):
    """An encoder whose outputs are a flat tuple."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encoder(*inputs)
        return encoded.pooled, encoded.tokens


class HeadModule(nn.Module):
    """A fusion model's `fuse`, with named, flat inputs."""

    def __init__(self, model: FusionModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *inputs: Tensor) -> Tensor:
        given = dict(zip(self.names, inputs, strict=True))
        some = next(value for name, value in given.items() if name.endswith("_present"))
        never = torch.zeros_like(some)
        return self.model.fuse(
            _encoded(given, "text"),
            _encoded(given, "image"),
            given.get("text_present", never),
            given.get("image_present", never),
        ).logits


def head_inputs(model: FusionModel) -> list[str]:
    """Return the names of the head's inputs: what the fusion consumes of each modality, and whether it is there."""
    kinds = {"pooled": ["pooled"], "tokens": ["pooled", "tokens", "mask"], "pixels": ["pixels"]}
    fusion = model.fusion
    return [f"{m}_{kind}" for m in fusion.modalities for kind in [*kinds[fusion.reads(m)], "present"]]


def encoder_graph(encoder: Encoder, path: Path, *, precision: Precision = "fp32") -> None:
    """Export an encoder to `path`: its inputs -> `pooled` (B, D), `tokens` (B, T, D). It is left in eval mode."""
    files.make_folder(path.parent)
    names = [name for name, _ in encoder.inputs]
    axes = [dict(enumerate(dynamic)) for _, dynamic in encoder.inputs]
    graph = _export(_EncoderGraph(encoder), encoder.example, names, ["pooled", "tokens"], axes)
    files.write_bytes(path, reduce_weights(graph, precision))


def head_graph(model: FusionModel, widths: dict[Modality, int], *, side: int = 0) -> bytes:
    """Export what stands behind the encoders: named encodings -> `logits` (B, classes). Leaves eval mode on.

    `side` is the size S of images whose pixels (B, 3, S, S) the fusion reads.
    """
    names = head_inputs(model)
    examples = []
    axes: list[dict[int, str]] = []
    for name in names:
        modality, _, kind = name.partition("_")
        width = widths["text" if modality == "text" else "image"]
        shapes = {"pooled": (width,), "tokens": (7, width), "mask": (7,), "present": (), "pixels": (3, side, side)}
        shape = (3, *shapes[kind])
        flags = kind in {"mask", "present"}
        examples.append(torch.ones(shape, dtype=torch.bool) if flags else torch.randn(shape))
        axes.append({0: "batch"} | ({1: f"{modality}_tokens"} if kind in {"tokens", "mask"} else {}))
    return _export(HeadModule(model, names), tuple(examples), names, ["logits"], axes)


def _encoded(given: dict[str, Tensor], modality: str) -> Encoded | None:
    if f"{modality}_pixels" in given:
        return unencoded(given[f"{modality}_pixels"])
    if f"{modality}_pooled" not in given:
        return None
    return Encoded(given[f"{modality}_pooled"], given.get(f"{modality}_tokens"), given.get(f"{modality}_mask"))


def _export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Sequence[dict[int, str]],
) -> bytes:
    module.eval()  # the wrapper itself: its own training flag decides what the exporter does with dropout
    dims: dict[str, Any] = {}
    shapes = tuple({i: dims.setdefault(name, torch.export.Dim(name)) for i, name in axis.items()} for axis in axes)
    try:
        with _quiet(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.onnx"
            torch.onnx.export(
                module,
                example,
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=(shapes,),  # one entry: both wrappers take *inputs
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            return without_traces(path.read_bytes())
    except torch.onnx.errors.OnnxExporterError as error:
        raise TrainingError(f"the model cannot be exported to ONNX: {str(error).splitlines()[0]}") from error


def without_traces(graph: bytes) -> bytes:
    """Return an ONNX graph without what the exporter notes beside it: stack traces, with the paths of this machine."""
    model = onnx.load_model_from_string(graph)
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for function in model.functions:
        for node in (function, *function.node):
            node.ClearField("doc_string")
            node.ClearField("metadata_props")
    bare: bytes = model.SerializeToString()
    return bare


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # The exporter prints its steps and warns of torchvision's absence; none of it is the user's business.
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with open(os.devnull, "w") as devnull, contextlib.redirect_stderr(devnull):  # noqa: PTH123
                yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
