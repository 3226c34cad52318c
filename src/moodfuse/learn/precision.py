"""Smaller graphs: weights stored in fewer bits.

fp16 weights are decoded when a graph is opened, and so are int8 weights with a scale per row. ONNX Runtime multiplies
int8 blocks without decoding them: by default it rounds a token's activations to 8 bits too, with a scale for each block
of that token, so a post's answer still depends on that post alone. Of an embedding table, only the rows that a text
looks up are decoded. `int8_dynamic` does without blocks (`int8_products.py`): nearly twice as fast, and less exact.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from moodfuse.config import Precision
from moodfuse.learn.four_bits import PARTS, four_bits, unpack
from moodfuse.learn.int8_products import int8_products

BLOCK = 32  # weights that share a scale in int8
_LEAST = 4_096  # smaller tensors stay in fp32: biases and norms take no space and matter most
_BLOCKED_OPSET = 21  # the first opset whose DequantizeLinear supports blocks

_Decoded = tuple[list[TensorProto], list[NodeProto]]


def reduce_weights(graph: bytes, precision: Precision) -> bytes:
    """Return an ONNX graph whose large weights are stored in `precision`; fp32 returns the graph as it is.

    `fp16` halves their size. `int8` rounds each weight to one of 255 steps: in a matrix, 32 neighbours along the summed
    axis share a scale; in a convolution or a linear layer with a bias, each output channel has a scale; all other
    weights are stored in fp16. A table of embeddings that was stored in 4 bits before stays exactly as it is.
    `int8_dynamic` is `int8` but for matrices: each output channel has a scale, and each token's activations another.
    """
    if precision == "fp32":
        return graph
    model = onnx.load_model_from_string(graph)
    kept = int8_products(model, _LEAST) if precision == "int8_dynamic" else []
    to_int8 = precision in ("int8", "int8_dynamic")
    axes, looked_up, by_channel = _summed_axes(model), _looked_up(model), _by_channel(model)
    nodes: list[NodeProto] = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _LEAST:
            kept.append(tensor)
            continue
        axis = axes.get(tensor.name)
        blocked = to_int8 and axis is not None and values.shape[axis] % BLOCK == 0
        if blocked and tensor.name in looked_up:
            kept += _table(model, tensor.name, values, looked_up[tensor.name])
            continue
        if blocked:
            tensors, decoding = _int8(tensor.name, values, axis or 0)
        elif to_int8 and tensor.name in by_channel:
            tensors, decoding = _int8_rows(tensor.name, values)
        else:
            tensors, decoding = _half(tensor.name, values)
        kept += tensors
        nodes += decoding
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    for opset in model.opset_import:
        if opset.domain in {"", "ai.onnx"}:
            opset.version = max(opset.version, _BLOCKED_OPSET)
    onnx.checker.check_model(model)
    smaller: bytes = model.SerializeToString()
    return smaller


def _summed_axes(model: onnx.ModelProto) -> dict[str, int]:
    """Return for each 2-d weight the axis that a product sums over, or the axis along a looked-up row."""
    axes: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul":
            axes[node.input[1]] = 0
        elif node.op_type == "Gather":
            axes[node.input[0]] = 1
    return {
        tensor.name: axes[tensor.name]
        for tensor in model.graph.initializer
        if tensor.name in axes and len(tensor.dims) == 2
    }


def _by_channel(model: onnx.ModelProto) -> set[str]:
    """Return the names of weights whose first axis is the output channel."""
    linear = {
        node.input[1]
        for node in model.graph.node
        if node.op_type == "Gemm" and any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    }
    return linear | {node.input[1] for node in model.graph.node if node.op_type == "Conv"}


def _looked_up(model: onnx.ModelProto) -> dict[str, list[NodeProto]]:
    """Return, by the table's name, the nodes that look up rows in a table that no other node uses."""
    found: dict[str, list[NodeProto]] = {}
    used_otherwise: set[str] = set()
    for node in model.graph.node:
        gathers = node.op_type == "Gather" and all(
            attribute.i == 0 for attribute in node.attribute if attribute.name == "axis"
        )
        for place, name in enumerate(node.input):
            if gathers and place == 0:
                found.setdefault(name, []).append(node)
            else:
                used_otherwise.add(name)
    return {name: nodes for name, nodes in found.items() if name not in used_otherwise}


def _table(model: onnx.ModelProto, name: str, values: np.ndarray, gathers: list[NodeProto]) -> list[TensorProto]:
    """Return a table (rows, width) in fewer bits, and have each look-up decode the rows that it finds."""
    if (packed := four_bits(values)) is None:
        for gather in gathers:
            _look_up_and_decode(model, gather)
        return _blocks(name, values, 1)
    constants = [constant for gather in gathers for constant in unpack(model, gather, values.shape[1])]
    parts = zip(packed, PARTS, strict=True)
    return [*constants, *(numpy_helper.from_array(content, f"{name}.{kind}") for content, kind in parts)]


def _look_up_and_decode(model: onnx.ModelProto, gather: NodeProto) -> None:
    """Replace a look-up by a look-up of the rounded rows, a look-up of their scales, and the decoding of both."""
    table, rows, out = gather.input[0], gather.input[1], gather.output[0]
    place = list(model.graph.node).index(gather)
    gather.input[0], gather.output[0] = f"{table}.int8", f"{out}.int8"
    scales = helper.make_node("Gather", [f"{table}.scale", rows], [f"{out}.scale"], axis=0)
    decode = helper.make_node("DequantizeLinear", [f"{out}.int8", f"{out}.scale"], [out], axis=-1, block_size=BLOCK)
    model.graph.node.insert(place + 1, scales)
    model.graph.node.insert(place + 2, decode)


def _int8(name: str, values: np.ndarray, axis: int) -> _Decoded:
    tensors = _blocks(name, values, axis)
    names = [tensor.name for tensor in tensors]
    return tensors, [helper.make_node("DequantizeLinear", names, [name], axis=axis, block_size=BLOCK)]


def _int8_rows(name: str, values: np.ndarray) -> _Decoded:
    # Cast and Mul are computed once, when a graph is opened; DequantizeLinear would run with every batch.
    scales = np.abs(values).max(tuple(range(1, values.ndim)), keepdims=True).astype(np.float32) / 127  # (rows, 1, ...)
    steps = np.rint(values / np.where(scales == 0, 1, scales)).astype(np.int8)
    tensors = [numpy_helper.from_array(steps, f"{name}.int8"), numpy_helper.from_array(scales, f"{name}.scale")]
    cast = helper.make_node("Cast", [f"{name}.int8"], [f"{name}.steps"], to=TensorProto.FLOAT)
    return tensors, [cast, helper.make_node("Mul", [f"{name}.steps", f"{name}.scale"], [name])]


def _blocks(name: str, values: np.ndarray, axis: int) -> list[TensorProto]:
    """Return a matrix's weights as int8 steps, and the scale of each block along `axis`."""
    blocks = np.moveaxis(values, axis, 0)
    blocks = blocks.reshape(-1, BLOCK, blocks.shape[1])  # (blocks, 32, other)
    scales = np.abs(blocks).max(1, keepdims=True) / 127  # (blocks, 1, other)
    steps = np.rint(blocks / np.where(scales == 0, 1, scales)).astype(np.int8)
    rounded = np.moveaxis(steps.reshape(-1, steps.shape[2]), 0, axis)
    scale = np.moveaxis(scales[:, 0].astype(np.float32), 0, axis)
    return [
        numpy_helper.from_array(np.ascontiguousarray(rounded), f"{name}.int8"),
        numpy_helper.from_array(np.ascontiguousarray(scale), f"{name}.scale"),
    ]


def _half(name: str, values: np.ndarray) -> _Decoded:
    tensor = numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16")
    return [tensor], [helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)]
