"""What an ONNX graph of a bundle may hold: operators of a list, no subgraphs, no weights in other files.

The file is walked as Protobuf, without the package `onnx` (which prediction does not need) and without its weights.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from moodfuse.errors import BundleError

# Operators of the ONNX domain that compute one tensor from others. No control flow (If, Loop, Scan), no sequences, no
# strings, nothing random, nothing whose output's size a few bytes decide alone (ConstantOfShape).
_OPERATORS = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift
BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant Conv ConvInteger
ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp
Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization
LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean
MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul
QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize RotaryEmbedding Round ScatterElements ScatterND
Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum
Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
"""
OPERATORS = frozenset(_OPERATORS.split())
_DOMAINS = (b"", b"ai.onnx")
_MOST_FIELDS = 500_000  # of ours: 10,000
# Numbers of fields, from onnx.proto.
_GRAPH, _FUNCTIONS = 7, 25  # of a model
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of a graph
_ATTRIBUTE, _OP_TYPE, _DOMAIN = 5, 4, 7  # of a node
_TENSOR, _TENSORS = 5, 10  # of an attribute
_SUBGRAPHS = (6, 11)
_SPARSE_TENSORS = (22, 23)
_EXTERNAL, _LOCATION = 13, 14  # of a tensor; a location of 0 is the file itself


def check_graph(path: Path) -> None:
    """Raise `BundleError` for a graph that holds what none of a bundle may, or that is no Protobuf."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Walk(data).model(len(data))
    except (IndexError, ValueError) as error:  # ValueError: an empty file, too
        raise BundleError(f"{path}: ONNX Runtime cannot load it (no ONNX graph: {error})") from None
    except BundleError as error:
        raise BundleError(f"{path}: {error}; get the bundle from somebody whom you trust") from None


class _Walk:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._left = _MOST_FIELDS

    def model(self, end: int) -> None:
        for number, start, stop in self._fields(0, end):
            if number == _FUNCTIONS:
                raise BundleError("it defines functions of its own, which no bundle may")
            if number == _GRAPH:
                self._graph(start, stop)

    def _graph(self, start: int, stop: int) -> None:
        for number, first, last in self._fields(start, stop):
            if number == _NODE:
                self._node(first, last)
            elif number == _INITIALIZER:
                self._tensor(first, last)
            elif number == _SPARSE:
                raise BundleError("it holds sparse weights, which no bundle may")

    def _node(self, start: int, stop: int) -> None:
        operator = domain = b""
        for number, first, last in self._fields(start, stop):
            if number == _OP_TYPE:
                operator = self._data[first:last]
            elif number == _DOMAIN:
                domain = self._data[first:last]
            elif number == _ATTRIBUTE:
                self._attribute(first, last)
        name = operator.decode("ascii", "replace")
        if domain not in _DOMAINS or name not in OPERATORS:
            where = f" of {domain[:40].decode('ascii', 'replace')!r}" if domain not in _DOMAINS else ""
            raise BundleError(f"it holds the operator {name[:40]!r}{where}, which no bundle may")

    def _attribute(self, start: int, stop: int) -> None:
        for number, first, last in self._fields(start, stop):
            if number in _SUBGRAPHS or number in _SPARSE_TENSORS:
                raise BundleError("it holds a graph within a graph, or sparse weights, which no bundle may")
            if number in (_TENSOR, _TENSORS):
                self._tensor(first, last)

    def _tensor(self, start: int, stop: int) -> None:
        for number, first, _ in self._fields(start, stop):
            if number == _EXTERNAL or (number == _LOCATION and self._number(first)[0]):
                raise BundleError("its weights stand in another file (external data), which no bundle may")

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield the number of each field of a message, and where its value begins and ends."""
        data = self._data
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise BundleError(f"it has more than {_MOST_FIELDS:,} parts")
            key, at = self._number(at)
            kind = key & 7
            start = at
            if kind == 2:
                length, start = self._number(at)
                at = start + length
            elif kind == 0:
                while data[at] & 0x80:
                    at += 1
                at += 1
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
            else:
                raise ValueError(f"a field of kind {kind}")
            if at > end:
                raise ValueError("a field that goes on behind its end")
            yield key >> 3, start, at

    def _number(self, at: int) -> tuple[int, int]:
        byte = self._data[at]
        if byte < 0x80:
            return byte, at + 1
        value = shift = 0
        while True:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
