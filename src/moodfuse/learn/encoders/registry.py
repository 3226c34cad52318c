"""Encoders by name: registered encoders, folders with a Hugging Face model, ids of the Hugging Face Hub."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from moodfuse.config import DataConfig, Modality
from moodfuse.errors import ConfigError, MissingExtraError, suggest
from moodfuse.learn.encoders.hub import HUB_MODELS, hub_folder, is_hub_id
from moodfuse.learn.encoders.image_folder import ImageFolder
from moodfuse.learn.encoders.source import EncoderSource
from moodfuse.learn.encoders.text_folder import TextFolder
from moodfuse.plugins import TEXT, Registry, one_of

_REGISTRY = Registry[EncoderSource](
    "encoder",
    EncoderSource,
    {"name": TEXT, "modality": one_of("text", "image"), "summary": TEXT},
    group="moodfuse.encoders",
)
#: Registers a source class under its `name`; sources are made from the configuration's `data` section: `cls(data)`.
encoder = _REGISTRY.register
#: Returns every encoder that needs no network, by name.
encoders = _REGISTRY.classes


def find_encoder(name: str, modality: Modality, data: DataConfig) -> EncoderSource:
    """Return the source of the encoder `name`: registered, a model in a folder, or a model of the Hugging Face Hub.

    A folder of that name takes precedence over the Hub; a model of the Hub becomes a folder, read by the same code.
    Raises `ConfigError` for an unknown name, a folder without a model, a model of the other modality, or a model that
    cannot be downloaded.
    """
    if name in encoders():
        return _registered(name, modality, data)
    if name and Path(name).is_dir():
        folder = Path(name)
    elif is_hub_id(name):
        _check_known(name, modality)
        folder = hub_folder(name, modality)
    else:
        raise ConfigError(suggest(name, _names(modality), what=f"{modality} encoder (and no folder of that name)"))
    return TextFolder(folder, data, name=name) if modality == "text" else ImageFolder(folder, name=name)


def _registered(name: str, modality: Modality, data: DataConfig) -> EncoderSource:
    cls = encoders()[name]
    if cls.modality != modality:
        raise ConfigError(
            f"model.{modality}: {name!r} is an encoder of {cls.modality}, expected an encoder of {modality}"
        )
    return cls(data)


def _check_known(name: str, modality: Modality) -> None:
    # Before anything is downloaded, if the modality is known.
    if name in HUB_MODELS and modality not in (found := HUB_MODELS[name].modalities):
        raise ConfigError(f"model.{modality}: {name!r} is an encoder of {found[0]}, expected an encoder of {modality}")


def _names(modality: Modality) -> list[str]:
    registered = [name for name, cls in encoders().items() if cls.modality == modality]
    return registered + [name for name, model in HUB_MODELS.items() if modality in model.modalities]


class Listed(NamedTuple):
    """An encoder as `moodfuse encoders` lists it."""

    name: str
    modalities: tuple[Modality, ...]
    summary: str
    needs: str


def list_encoders() -> list[Listed]:
    """Return the registered encoders, then the models of the Hub that are known by name."""
    registered = [Listed(name, (cls.modality,), cls.summary, "nothing") for name, cls in encoders().items()]
    once = "a download, once"
    return registered + [Listed(name, *model, once) for name, model in HUB_MODELS.items()]


def package_folder(package: str) -> Path:
    """Return the folder of an installed package. Raises `MissingExtraError` if it is not installed."""
    # Found without importing: such packages may import PyTorch models, and only their files are wanted.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            f"{package} is not installed; install the training extra: pip install 'moodfuse[train]'"
        )
    return Path(spec.origin).parent
