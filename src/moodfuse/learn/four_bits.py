"""Tables of embeddings in 4 bits a weight, without loss: for encoders whose tables were stored so before.

A block of 32 neighbours shares an fp16 scale; a weight is (0..15 - 8) times it: `Q4_0` of ggml.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

_BLOCK = 32
#: What a packed table's two tensors are called behind its name.
PARTS = ("int4", "scale")


def four_bits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a table (rows, width) as bytes (rows, width / 2) and fp16 scales (rows, width / 32); `None` with any loss.

    A byte holds a weight of the block's first half in its low bits and its counterpart of the second half above.
    """
    rows, width = values.shape
    if width % _BLOCK:
        return None
    blocks = values.reshape(rows, width // _BLOCK, _BLOCK)
    furthest = np.abs(blocks).argmax(-1)[..., None]
    scales = (np.take_along_axis(blocks, furthest, -1) / -8).astype(np.float16)  # the furthest weight is -8 of them
    divisor = np.where(scales == 0, 1, scales).astype(np.float32)
    steps = np.clip(np.rint(blocks / divisor) + 8, 0, 15)
    if not np.array_equal((steps - 8) * scales.astype(np.float32), blocks):
        return None
    low, high = np.split(steps.astype(np.uint8), 2, -1)
    return (low | high << 4).reshape(rows, width // 2), scales[..., 0]


def unpack(model: onnx.ModelProto, gather: NodeProto, width: int) -> list[TensorProto]:
    """Replace a look-up in a table of `width` by look-ups of packed rows and their scales, and what decodes them.

    Returns the constants that the new nodes need.
    """
    table, rows, out = gather.input[0], gather.input[1], gather.output[0]
    place = list(model.graph.node).index(gather)
    constants = {
        "blocks": np.array([-1, width // _BLOCK, _BLOCK // 2], np.int64),
        "scales": np.array([-1, width // _BLOCK, 1], np.int64),
        "width": np.array([width], np.int64),
        "low": np.array(15, np.uint8),
        "up": np.array(4, np.uint8),
        "middle": np.array(8, np.float32),
    }

    def node(kind: str, inputs: list[str], output: str, **how: int | str) -> NodeProto:
        return helper.make_node(kind, inputs, [f"{out}.{output}"], **how)

    def named(*names: str) -> list[str]:
        return [f"{out}.{name}" for name in names]

    nodes = [
        helper.make_node("Gather", [f"{table}.{PARTS[0]}", rows], named("packed"), axis=0),
        node("Reshape", named("packed", "blocks"), "bytes"),
        node("BitwiseAnd", named("bytes", "low"), "first"),
        node("BitShift", named("bytes", "up"), "second", direction="RIGHT"),
        node("Concat", named("first", "second"), "steps", axis=-1),
        node("Cast", named("steps"), "floats", to=TensorProto.FLOAT),
        node("Sub", named("floats", "middle"), "centred"),
        helper.make_node("Gather", [f"{table}.{PARTS[1]}", rows], named("halves"), axis=0),
        node("Cast", named("halves"), "singles", to=TensorProto.FLOAT),
        node("Reshape", named("singles", "scales"), "factors"),
        node("Mul", named("centred", "factors"), "decoded"),
        helper.make_node("Shape", [rows], named("shape")),
        node("Concat", named("shape", "width"), "whole", axis=0),
        helper.make_node("Reshape", named("decoded", "whole"), [out]),
    ]
    del model.graph.node[place]
    for offset, made in enumerate(nodes):
        model.graph.node.insert(place + offset, made)
    return [numpy_helper.from_array(value, f"{out}.{name}") for name, value in constants.items()]
