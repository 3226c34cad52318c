"""Matrix products in int8: each token's activations are rounded to 8 bits too, by a scale of that token alone.

Dynamic quantisation (W8A8) with a scale a token and a scale an output channel (Yao et al., 2022, ZeroQuant). ONNX
Runtime's own has one scale for all tokens of a batch, so that a post's answer would depend on its neighbours.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

_STEPS = 127  # activations lie from -127 to 127 steps, kept as bytes from 1 to 255
# A processor without VNNI adds two products in 16 bits: 255 * 63 * 2 fits into them, 255 * 127 * 2 does not.
_WEIGHT_STEPS = 63
_CONSTANTS = {
    "step": np.array(1 / _STEPS, np.float32),
    "least": np.array(1e-9, np.float32),  # the scale of a token of zeros, which cannot be divided by
    "last": np.array([-1], np.int64),
    "one": np.array(1, np.float32),
    "middle": np.array(_STEPS + 1, np.uint8),
}


def int8_products(model: onnx.ModelProto, least: int) -> list[TensorProto]:
    """Have a graph compute the products of tokens (B, T, K) with weights (K, N) of `least` numbers or more in int8.

    Returns the tensors that it needs for that; weights that nothing else uses are taken out.
    """
    weights = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and np.prod(tensor.dims) >= least
    }
    nodes: list[NodeProto] = []
    kept = {name: numpy_helper.from_array(value, f"int8.{name}") for name, value in _CONSTANTS.items()}
    rounded: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        tokens, weight, product = node.input[0], node.input[1], node.output[0]
        if tokens not in rounded:
            rounded.add(tokens)
            nodes += _round(tokens)
        nodes += _multiply(tokens, weight, product)
        kept |= {tensor.name: tensor for tensor in _by_channel(weight, weights[weight])}
    if not rounded:
        return []
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    there = [tensor for tensor in model.graph.initializer if tensor.name in used or tensor.name not in weights]
    del model.graph.initializer[:]
    model.graph.initializer.extend(there)
    return list(kept.values())


def _round(tokens: str) -> list[NodeProto]:
    """Return the nodes that round tokens (B, T, K) to bytes, and give each one's scale (B, T, 1)."""
    sizes, largest, scale, steps = (f"{tokens}.token_{part}" for part in ("sizes", "largest", "scale", "steps"))
    return [
        helper.make_node("Abs", [tokens], [sizes]),
        helper.make_node("ReduceMax", [sizes, "int8.last"], [largest], keepdims=1),
        helper.make_node("Mul", [largest, "int8.step"], [f"{scale}.any"]),
        helper.make_node("Max", [f"{scale}.any", "int8.least"], [scale]),
        helper.make_node("Div", [tokens, scale], [steps]),
        helper.make_node("QuantizeLinear", [steps, "int8.one", "int8.middle"], [f"{tokens}.token_int8"]),
    ]


def _multiply(tokens: str, weight: str, product: str) -> list[NodeProto]:
    """Return the nodes that multiply rounded tokens with rounded weights, and put both scales on the product."""
    sums, floats, scaled = (f"{product}.{part}" for part in ("sums", "floats", "scaled"))
    return [
        helper.make_node("MatMulInteger", [f"{tokens}.token_int8", f"{weight}.channel_int8", "int8.middle"], [sums]),
        helper.make_node("Cast", [sums], [floats], to=TensorProto.FLOAT),
        helper.make_node("Mul", [floats, f"{tokens}.token_scale"], [scaled]),
        helper.make_node("Mul", [scaled, f"{weight}.channel_scale"], [product]),
    ]


def _by_channel(name: str, values: np.ndarray) -> list[TensorProto]:
    """Return weights (K, N) as int8 steps, and the scale of each output channel (N,)."""
    scales = np.abs(values).max(0).astype(np.float32) / _WEIGHT_STEPS
    steps = np.rint(values / np.where(scales == 0, 1, scales)).astype(np.int8)
    tensors = {"channel_int8": steps, "channel_scale": scales}
    return [numpy_helper.from_array(content, f"{name}.{kind}") for kind, content in tensors.items()]
