"""moodfuse: the sentiment of posts that are text + image."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from moodfuse.version import __version__

if TYPE_CHECKING:
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.data.posts import ImageRef, Post, Posts
    from moodfuse.errors import MoodfuseError
    from moodfuse.runtime.predictor import Prediction, Predictor
    from moodfuse.workflows.adapting import adapt
    from moodfuse.workflows.classifier import FusionClassifier
    from moodfuse.workflows.comparison.run import compare
    from moodfuse.workflows.sentiment_pipeline import SentimentPipeline
    from moodfuse.workflows.summarising import summarise
    from moodfuse.workflows.transformer import MoodTransformer

# ONNX Runtime 1.31 tells Microsoft of every start (mobile.events.data.microsoft.com), from the moment that it is
# imported: only this variable, set before, keeps it quiet; its own disable_telemetry_events() comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "FusionClassifier",
    "ImageRef",
    "MoodTransformer",
    "MoodfuseError",
    "Post",
    "Posts",
    "Prediction",
    "Predictor",
    "__version__",
    "adapt",
    "compare",
    "load",
    "pipeline",
    "read_posts",
    "summarise",
]

# Names are imported when they are first asked for: `import moodfuse` costs nothing, and loads no PyTorch.
_HOMES = {
    "FusionClassifier": "moodfuse.workflows.classifier",
    "ImageRef": "moodfuse.data.posts",
    "MoodTransformer": "moodfuse.workflows.transformer",
    "MoodfuseError": "moodfuse.errors",
    "Post": "moodfuse.data.posts",
    "Posts": "moodfuse.data.posts",
    "Prediction": "moodfuse.runtime.predictor",
    "Predictor": "moodfuse.runtime.predictor",
    "adapt": "moodfuse.workflows.adapting",
    "compare": "moodfuse.workflows.comparison.run",
    "read_posts": "moodfuse.data.formats.readers",
    "summarise": "moodfuse.workflows.summarising",
}


def load(bundle: Any = None, *, device: str = "cpu") -> Predictor:
    """Open a bundle or a run folder, or the model that moodfuse brings: `moodfuse.load().predict(text, image)`.

    `device` is where the encoders run: cpu, cuda, directml, coreml, openvino, or auto.
    """
    from moodfuse.runtime.predictor import Predictor

    return Predictor.load(bundle, device=device)


def pipeline(bundle: Any = None, *, device: str = "cpu") -> SentimentPipeline:
    """Open a bundle as a pipeline with Hugging Face's shapes: `moodfuse.pipeline()("what a day!", image="a.jpg")`."""
    from moodfuse.workflows.sentiment_pipeline import SentimentPipeline

    return SentimentPipeline(bundle, device=device)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'moodfuse' has no attribute {name!r}")
