"""The head of a model, which is everything after its encoders, as an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from moodfuse.config import Modality
from moodfuse.learn.encoders.base import Encoded, unencoded
from moodfuse.learn.model import FusionModel
from moodfuse.learn.onnx_graph import to_onnx

#: The largest difference in a probability that an fp32 export may show.
PARITY = 1e-4


class HeadModule(nn.Module):
    """A fusion model's `fuse`, with named, flat inputs."""

    def __init__(self, model: FusionModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *inputs: Tensor) -> Tensor:
        given = dict(zip(self.names, inputs, strict=True))
        presence = next(value for name, value in given.items() if name.endswith("_present"))
        never = torch.zeros_like(presence)
        return self.model.fuse(
            _encoded(given, "text"),
            _encoded(given, "image"),
            given.get("text_present", never),
            given.get("image_present", never),
        ).logits


def head_inputs(model: FusionModel) -> list[str]:
    """Return the names of the head's inputs: what the fusion reads of each modality, and whether it is present."""
    kinds = {"pooled": ["pooled"], "tokens": ["pooled", "tokens", "mask"], "pixels": ["pixels"]}
    fusion = model.fusion
    return [f"{m}_{kind}" for m in fusion.modalities for kind in [*kinds[fusion.reads(m)], "present"]]


def head_graph(model: FusionModel, widths: dict[Modality, int], *, side: int = 0) -> bytes:
    """Export the head: named encodings -> `logits` (B, classes). Leaves the model in eval mode.

    `side` is the size S of the pixels (B, 3, S, S), if the fusion reads pixels.
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
    return to_onnx(HeadModule(model, names), tuple(examples), names, ["logits"], axes)


def _encoded(given: dict[str, Tensor], modality: str) -> Encoded | None:
    if f"{modality}_pixels" in given:
        return unencoded(given[f"{modality}_pixels"])
    if f"{modality}_pooled" not in given:
        return None
    return Encoded(given[f"{modality}_pooled"], given.get(f"{modality}_tokens"), given.get(f"{modality}_mask"))
