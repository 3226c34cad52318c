"""A fitted head as an ONNX graph: the bundle's own head with a few nodes behind it, and the same inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moodfuse.config import Modality
from moodfuse.decide.encoded_posts import Array
from moodfuse.decide.head import LinearHead
from moodfuse.errors import BundleError, MissingExtraError
from moodfuse.evaluate.logits import logits_of
from moodfuse.runtime.bundle import GRAPHS, Bundle

try:
    import onnx
    from onnx import compose, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("adapting needs onnx, which is not installed; pip install 'moodfuse[adapt]'") from error

_BEFORE = "before/"


def adapted_graph(bundle: Bundle, head: LinearHead, shares: Array) -> bytes:
    """Return the graph of a head over a bundle: from what its own head reads to `logits` (B, C).

    A post with nothing to read gets the `shares` (C,) of the labels. All that the old graph computes is named anew, so
    that an adapted bundle can be adapted again.
    """
    model = onnx.load_model_from_string(bundle.path(GRAPHS["head"]).read_bytes())
    if [one.name for one in model.graph.output] != ["logits"]:
        raise BundleError(f"{bundle.folder}: its head has other outputs than logits, so it cannot be adapted")
    compose.add_prefix(model, _BEFORE, rename_inputs=False, inplace=True)
    added = _Added(bundle)
    added.head(head, shares)
    model.graph.node.extend(added.nodes)
    model.graph.initializer.extend(added.weights)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", len(shares)]))
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written


class _Added:
    """The nodes and weights behind the head of a bundle; a node is named after what it gives."""

    def __init__(self, bundle: Bundle) -> None:
        self._manifest = bundle.manifest
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def head(self, head: LinearHead, shares: Array) -> None:
        """Add all from the old logits and the head's inputs to `logits`."""
        present = {modality: self._present(modality) for modality in self._manifest.modalities}
        logs = self._log_probabilities(present)
        terms = [
            self._node(
                "Gemm", "from_logs", logs, self._weight("of_logs", head.of_logs), self._weight("bias", head.bias)
            )
        ]
        for modality, (weights, offset) in head.of_vectors.items():
            given = self._weight(f"of_{modality}", weights), self._weight(f"{modality}_offset", offset)
            weighed = self._node("Gemm", f"{modality}_weighed", f"{modality}_pooled", *given)
            nothing = self._weight(f"{modality}_nothing", 0.0)
            terms.append(self._node("Where", f"from_{modality}", present[modality], weighed, nothing))
        fitted = self._node("Sum", "fitted", *terms, *([logs] if head.onto_old else []))
        anything, *others = present.values()
        for other in others:
            anything = self._node("Or", "anything", anything, other)
        self._node("Where", "logits", anything, fitted, self._weight("shares", logits_of(shares)))

    def _log_probabilities(self, present: dict[Modality, str]) -> str:
        """Add the calibrated log-probabilities of the old head, as the runtime computes them."""
        whole = self._manifest.temperature
        alone = {m: self._weight(f"{m}_temperature", self._manifest.temperatures.get(m, whole)) for m in present}
        if len(present) == 1:
            [divisor] = alone.values()
        else:
            with_text = self._node(
                "Where", "text_divisor", present["image"], self._weight("temperature", whole), alone["text"]
            )
            divisor = self._node("Where", "divisor", present["text"], with_text, alone["image"])
        calibrated = self._node("Div", "calibrated", f"{_BEFORE}logits", divisor)
        logs = self._node("LogSoftmax", "logs", calibrated, axis=1)
        return self._node("Max", "log_probabilities", logs, self._weight("least", logits_of(0.0)))

    def _present(self, modality: Modality) -> str:
        """Add whether posts have a modality as a column (B, 1)."""
        return self._node(
            "Reshape", f"{modality}_there", f"{modality}_present", self._weight(f"{modality}_column", [-1, 1])
        )

    def _node(self, operator: str, name: str, *inputs: str, **attributes: int) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def _weight(self, name: str, values: ArrayLike) -> str:
        array = np.asarray(values)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        self.weights.append(numpy_helper.from_array(array.astype(kind), name))
        return name
