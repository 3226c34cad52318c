"""The picture of a model: its encoders, and the fusion with its options over vectors of their widths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from moodfuse.config import Modality
from moodfuse.errors import BundleError
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.run import Run
from moodfuse.runtime.bundle import GRAPHS
from moodfuse.runtime.graphs import open_session

if TYPE_CHECKING:
    from moodfuse.learn.diagram import DrawnEncoder

_MODALITIES: tuple[Modality, ...] = ("text", "image")


def model_picture(run: Run) -> str:
    """Return the SVG of a run's model; before there is a bundle, the fusion alone.

    Raises `ImportError` without PyTorch, `ConfigError` if it cannot be drawn.
    """
    from moodfuse.learn.diagram import draw_fusion

    encoders = drawn_encoders(run.config, _widths(run))
    return draw_fusion(str(run.config.fusion), run.config.options, encoders).to_svg()


def drawn_encoders(config: StoredConfig, widths: Mapping[str, int]) -> dict[str, DrawnEncoder]:
    """Return the encoders of a configuration whose vectors have a known width."""
    from moodfuse.learn.diagram import DrawnEncoder

    return {
        modality: DrawnEncoder(str(config.encoder(modality)), _trains(config, modality), widths[modality])
        for modality in _MODALITIES
        if modality in widths
    }


def _trains(config: StoredConfig, modality: Modality) -> str:
    """Return in words what of a modality's encoder trains."""
    tuned = config.setting("train.tune")
    if config.regime not in ("end_to_end", "two_stage") or modality not in (tuned if isinstance(tuned, list) else ()):
        return "frozen"
    parts = config.setting("train.freeze")
    what = f"tuned above its lowest {parts} parts" if parts else "all layers tuned"
    if rank := config.setting("train.lora"):
        what = what.replace("tuned", f"tuned by updates of rank {rank}")
    return f"{what} alone, then frozen" if config.regime == "two_stage" else what


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
