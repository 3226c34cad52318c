"""Convolutional networks in int8: what a convolution reads and gives is rounded to 8 bits too, not its weights alone.

Each activation has a fixed range (Jacob et al., 2018), so that an answer depends on its image alone. The ranges are
those found on parts of two photographs that scikit-learn brings: the graph then depends on its encoder alone, and no
fold learns anything of another's images. A head has to be trained on the vectors that such a graph computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import sklearn.datasets
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from PIL import Image

from moodfuse.data.images import ImageSpec, pixels
from moodfuse.staging import temporary_folder

_ROUNDED = ["Conv", "Add", "Clip", "Relu"]
_PARTS = 48  # of the photographs; their ranges bring vectors as near as those of training images do
_LEAST_SIDE = 120  # pixels of a part


def int8_convolutions(graph: bytes, spec: ImageSpec) -> bytes:
    """Return an fp32 graph of images whose convolutions run in int8, each output channel's weights with a scale.

    A network with a single convolution, the first layer of a Transformer, is returned as it is. Weights have 7 bits: a
    processor without VNNI adds two products in 16 bits, which 8 could overflow, and so answer otherwise.
    """
    model = onnx.load_model_from_string(graph)
    if sum(node.op_type == "Conv" for node in model.graph.node) < 2:
        return graph
    add_pre_process_metadata(model)  # the exporter has folded what could be: no advice on stderr
    with temporary_folder("int8") as folder:
        quantize_static(
            model,
            folder / "image.onnx",
            _Parts(spec),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_ROUNDED,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return (folder / "image.onnx").read_bytes()


class _Parts(CalibrationDataReader):  # type: ignore[misc]
    """Squares out of the photographs, from small details to nearly all of them, one after the other."""

    def __init__(self, spec: ImageSpec) -> None:
        self._parts = _parts(spec)

    def get_next(self) -> dict[str, np.ndarray] | None:
        part = next(self._parts, None)
        return None if part is None else {"pixels": part[None]}


def _parts(spec: ImageSpec) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    folder = Path(sklearn.datasets.__file__).parent / "images"
    photos = [Image.open(folder / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]
    for number in range(_PARTS):
        photo = photos[number % len(photos)]
        side = int(random.integers(_LEAST_SIDE, min(photo.size) + 1))
        left, top = (int(random.integers(0, length - side + 1)) for length in photo.size)
        yield pixels(photo.crop((left, top, left + side, top + side)), spec)
