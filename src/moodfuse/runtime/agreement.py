"""Whether a bundle's graphs fit one another and what the manifest says of them: told when they are opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnxruntime import InferenceSession

from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import Manifest


def check_encoder(session: InferenceSession, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Raise `BundleError` for an encoder's graph with other inputs, or without one of the `outputs`."""
    found = [one.name for one in session.get_inputs()]
    if sorted(found) != sorted(inputs):
        raise BundleError(f"{name}: expected the inputs {', '.join(inputs)}; found {_listed(found)}")
    given = [one.name for one in session.get_outputs()]
    if absent := [output for output in outputs if output not in given]:
        raise BundleError(f"{name}: expected an output {absent[0]!r}; found {_listed(given)}")


def check_head(session: InferenceSession, manifest: Manifest, widths: Mapping[str, int]) -> None:
    """Raise `BundleError` for a head that reads other encodings than there are, or has another number of labels.

    `widths` holds D of each modality, for pixels the side of the square.
    """
    name = "head.onnx"
    found = [one.name for one in session.get_inputs()]
    if sorted(found) != sorted(manifest.head_inputs):
        raise BundleError(f"{name}: expected the inputs {_listed(manifest.head_inputs)}; found {_listed(found)}")
    for one in session.get_inputs():
        modality, _, kind = one.name.partition("_")
        width = one.shape[-1] if one.shape else None
        if kind in ("pooled", "tokens", "pixels") and isinstance(width, int) and width != widths[modality]:
            raise BundleError(f"{name}: its input {one.name} is {width} wide, and the {modality} {widths[modality]}")
    logits = [one for one in session.get_outputs() if one.name == "logits"]
    if not logits or len(logits[0].shape) != 2:
        raise BundleError(f"{name}: expected an output `logits` of posts by labels; found none of that shape")
    if isinstance(count := logits[0].shape[1], int) and count != len(manifest.labels):
        raise BundleError(f"{name}: answers with {count} numbers, and the manifest names {len(manifest.labels)} labels")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:8]) or "none"
