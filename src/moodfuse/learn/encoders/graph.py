"""An encoder as an ONNX graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoder
from moodfuse.learn.onnx_graph import to_onnx


class _Flat(nn.Module):
    """An encoder that returns its outputs as a flat tuple."""

    def __init__(self, encoder: Encoder, outputs: list[str]) -> None:
        super().__init__()
        self.encoder = encoder
        self.outputs = outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        encoded = self.encoder(*inputs)
        return tuple(getattr(encoded, name) for name in self.outputs)


def encoder_graph(encoder: Encoder) -> bytes:
    """Export an encoder: its inputs -> `pooled` (B, D) and, if it has them, `tokens` (B, T, D).

    The encoder is left in eval mode. Raises `TrainingError` if PyTorch cannot export it.
    """
    names = [name for name, _ in encoder.inputs]
    axes = [dict(enumerate(dynamic)) for _, dynamic in encoder.inputs]
    with torch.no_grad():
        tokens = encoder.eval()(*encoder.example).tokens
    outputs = ["pooled"] if tokens is None else ["pooled", "tokens"]
    return to_onnx(_Flat(encoder, outputs), encoder.example, names, outputs, axes)
