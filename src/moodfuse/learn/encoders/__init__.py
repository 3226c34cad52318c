"""Encoders. Each module of this package is imported here, so that its classes register themselves."""

from importlib import import_module
from pkgutil import iter_modules

from moodfuse.learn.encoders.base import PIXEL_INPUTS, TOKEN_INPUTS, Encoded, Encoder, unencoded
from moodfuse.learn.encoders.features import Features
from moodfuse.learn.encoders.hub import HUB_MODELS
from moodfuse.learn.encoders.image import ImageSource, all_visible, regions
from moodfuse.learn.encoders.registry import encoder, encoders, find_encoder, list_encoders
from moodfuse.learn.encoders.source import EncoderSource
from moodfuse.learn.encoders.text import TextSource, TokenSource

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "HUB_MODELS",
    "PIXEL_INPUTS",
    "TOKEN_INPUTS",
    "Encoded",
    "Encoder",
    "EncoderSource",
    "Features",
    "ImageSource",
    "TextSource",
    "TokenSource",
    "all_visible",
    "encoder",
    "encoders",
    "find_encoder",
    "list_encoders",
    "regions",
    "unencoded",
]
