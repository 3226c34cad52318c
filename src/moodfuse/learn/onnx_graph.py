"""Export of a PyTorch module as an ONNX graph."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from moodfuse.errors import TrainingError, in_a_line
from moodfuse.staging import temporary_folder


def to_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Sequence[dict[int, str]],
) -> bytes:
    """Export a module with these names for its inputs and outputs; `axes` names the dynamic axes of each input.

    The module is left in eval mode. Raises `TrainingError` if PyTorch cannot export it.
    """
    module.eval()  # on the wrapper itself: its training flag decides what the exporter does with dropout
    dims: dict[str, Any] = {}
    shapes = tuple({i: dims.setdefault(name, torch.export.Dim(name)) for i, name in axis.items()} for axis in axes)
    try:
        with _quiet(), torch.no_grad(), temporary_folder("graph") as folder:
            path = folder / "graph.onnx"
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
        raise TrainingError(f"the model cannot be exported to ONNX: {in_a_line(error)}") from error


def without_traces(graph: bytes) -> bytes:
    """Return an ONNX graph without the exporter's notes: stack traces, with the paths of this machine."""
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
    # The exporter prints its steps and warns that torchvision is absent; users need neither.
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with open(os.devnull, "w") as devnull, contextlib.redirect_stderr(devnull):  # noqa: PTH123
                yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
