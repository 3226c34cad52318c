"""The picture of a run's model: its fusion with its options, over encoders of the same widths."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from moodfuse.errors import BundleError
from moodfuse.records.run import Run
from moodfuse.runtime.bundle import GRAPHS
from moodfuse.runtime.graphs import open_session


def model_picture(run: Run) -> str:
    """Return the SVG of a run's model. Raises `ImportError` without PyTorch, `ConfigError` if it cannot be drawn."""
    return fusion_picture(str(run.config.fusion), run.config.options, **_widths(run))


def fusion_picture(fusion: str, options: Mapping[str, JsonValue], **widths: int) -> str:
    """Return the SVG of a fusion. Raises the errors of `model_picture`."""
    from moodfuse.learn.diagram import draw_fusion

    return draw_fusion(fusion, options, **widths).to_svg()


def _widths(run: Run) -> dict[str, int]:
    """Return the widths of the encodings that the run's head takes; nothing if there is no bundle (yet)."""
    try:
        inputs = open_session(run.folder.bundle / GRAPHS["head"], threads=1).get_inputs()
    except BundleError:
        return {}
    found: dict[str, int] = {}
    for node in inputs:
        modality, _, kind = node.name.partition("_")
        if kind in ("pooled", "tokens") and isinstance(node.shape[-1], int):
            found[modality] = node.shape[-1]
    return found
