"""The bundles that are measured: the one that moodfuse brings, and frozen encoders under `concat` in full precision."""

from __future__ import annotations

from pathlib import Path

from measure import tell

from moodfuse.data.formats.readers import read_posts
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import default_bundle
from moodfuse.workflows.training import train

BROUGHT = default_bundle()


def frozen_bundle(data: Path, folder: Path, *, text: str = "fp32", image: str = "fp32") -> Path:
    """Train `concat` on frozen MiniLM and EfficientNet-Lite0, exported in the given precisions; return its bundle.

    The graphs are those of the bundle that moodfuse brings, which differs from this one in its weights alone.
    """
    tell(f"training concat on frozen features ({text} text, {image} image)")
    config = resolve_config("concat", overrides=[{"export": {"text": text, "image": image}}])
    run = train(read_posts(data), config, name=f"{text}-{image}", runs=folder).run
    return run.path / "bundle"
