"""The base class of fusions, and the registry of all fusions."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from moodfuse.config import Modality
from moodfuse.errors import ConfigError, suggest
from moodfuse.learn.encoders.base import Encoded
from moodfuse.plugins import TEXT, YES_OR_NO, Registry, one_of, tuple_of


@dataclass(frozen=True, slots=True)
class Shapes:
    """The sizes that a fusion is built for: the widths of the two encodings and the number of classes."""

    text: int
    image: int
    classes: int


class Fusion(nn.Module, ABC):
    """Text and image encodings in, logits out.

    A subclass is found under its `name` by the registry, the command line, `compare` and the contract suite; its
    keyword arguments after `shapes` are its options.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    source: ClassVar[str]
    #: What it reads: the pooled vectors or the tokens of both encodings, or the image's pixels and the text's vector.
    consumes: ClassVar[Literal["pooled", "tokens", "pixels"]] = "pooled"
    modalities: ClassVar[tuple[Modality, ...]] = ("text", "image")
    #: Whether it can learn what only the combination of text and image reveals.
    interacts: ClassVar[bool]

    @abstractmethod
    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        """Return logits (B, classes). A modality that the class does not name in `modalities` may be `None`."""

    @classmethod
    def reads(cls, modality: Modality) -> Literal["pooled", "tokens", "pixels"]:
        """Return what the fusion reads of `modality`; if it consumes pixels, it reads the text's pooled vector."""
        return "pooled" if cls.consumes == "pixels" and modality == "text" else cls.consumes

    def classifiers(self) -> dict[Modality, nn.Module]:
        """Return its own classifiers of a modality's pooled vector; the model uses them as auxiliary heads."""
        return {}

    def lone_classifier(self) -> nn.Linear | None:
        """Return the linear layer that is all of a fusion of one modality; it starts as its encoder was taught."""
        return None

    def stacker(self) -> nn.Linear | None:
        """Return the layer over all modalities' own logits that is fitted after training; `None` without stacking."""
        return None


_REGISTRY = Registry[Fusion](
    "fusion",
    Fusion,
    {
        "name": TEXT,
        "family": TEXT,
        "source": TEXT,
        "consumes": one_of("pooled", "tokens", "pixels"),
        "modalities": tuple_of(one_of("text", "image"), least=1),
        "interacts": YES_OR_NO,
    },
    group="moodfuse.fusions",
)
#: Registers a fusion class under its `name`.
fusion = _REGISTRY.register
#: Returns every fusion class by name.
fusions = _REGISTRY.classes


def find_fusion(name: str) -> type[Fusion]:
    """Return the fusion class called `name`. Raises `ConfigError` with the nearest names otherwise."""
    if name not in fusions():
        raise ConfigError(suggest(name, fusions(), what="fusion"))
    return fusions()[name]


def fusion_options(cls: type[Fusion]) -> dict[str, Any]:
    """Return a fusion's options and their defaults."""
    parameters = list(inspect.signature(cls).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in parameters}


def build_fusion(name: str, shapes: Shapes, options: Mapping[str, Any]) -> Fusion:
    """Build a fusion. Raises `ConfigError` for an unknown fusion, an option it lacks, or a bad value."""
    cls = find_fusion(name)
    known = fusion_options(cls)
    for option in options:
        if option not in known:
            hint = suggest(option, known, what="option") if known else "it has no options"
            raise ConfigError(f"fusion {name}: {option!r} is not an option of it; {hint}")
    try:
        return cls(shapes, **options)
    except TypeError as error:
        raise ConfigError(f"fusion {name}: {error}") from None


def choose(option: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is in `allowed`. Raises `ConfigError` otherwise."""
    if value not in allowed:
        raise ConfigError(f"option {option}: expected {' or '.join(allowed)}, found {value!r}")
    return str(value)


def whole_number(option: str, value: object, *, least: int) -> int:
    """Return `value` if it is a whole number of at least `least`. Raises `ConfigError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"option {option}: expected a whole number of at least {least}, found {value!r}")
    return value


def whole_numbers(option: str, value: object, *, least: int) -> list[int]:
    """Return `value` as a list if it holds whole numbers of at least `least`. Raises `ConfigError` otherwise."""
    if not isinstance(value, list | tuple):
        raise ConfigError(f"option {option}: expected a list of whole numbers, found {value!r}")
    return [whole_number(option, item, least=least) for item in value]


def share(option: str, value: object) -> float:
    """Return `value` if it is a number in [0, 1). Raises `ConfigError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"option {option}: expected a number from 0 to below 1, found {value!r}")
    return float(value)
