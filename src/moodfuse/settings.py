"""Settings from YAML files and the command line, merged into a `Config`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from moodfuse.config import Config, Section
from moodfuse.errors import ConfigError, in_a_line, suggest

#: Settings of 0.1 that were removed, each with the only value that is still accepted: it is what every run does now.
_RETIRED = {("model", "ensemble"): 1, ("train", "strategy"): "ddp"}


def build_config(layers: Iterable[Mapping[str, Any]]) -> Config:
    """Merge mappings, where later mappings override earlier ones, and validate the result.

    Raises `ConfigError` for an unknown key (with the nearest known keys) or a bad value.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer)
    _drop_retired(merged)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("configuration: " + _explain(error)) from None


def _drop_retired(settings: dict[str, Any]) -> None:
    """Remove the settings that 0.1 wrote into each resolved configuration and that no longer exist."""
    for (section, name), value in _RETIRED.items():
        inside = settings.get(section)
        if isinstance(inside, dict) and (found := inside.pop(name, value)) != value:
            raise ConfigError(
                f"configuration: {section}.{name}={found!r} is a setting of moodfuse 0.1, since removed; leave it out"
            )


def parse_overrides(words: Iterable[str]) -> dict[str, Any]:
    """Return words such as `optim.lr=3e-5 seed=1` as a nested mapping; values are read as YAML."""
    result: dict[str, Any] = {}
    for word in words:
        key, equals, raw = word.partition("=")
        if not equals or not all(key.split(".")):
            raise ConfigError(f"{word!r}: expected KEY=VALUE, such as optim.lr=3e-5")
        *parents, leaf = key.split(".")
        nested: Any = {leaf: _yaml_value(raw, word)}
        for parent in reversed(parents):
            nested = {parent: nested}
        _merge(result, nested)
    return result


def split_axes(words: Iterable[str]) -> tuple[list[str], dict[str, list[Any]]]:
    """Return the words that set a value, and the values of each word that lists several: `optim.lr=1e-5,2e-5`.

    A list in brackets is one value.
    """
    plain: list[str] = []
    axes: dict[str, list[Any]] = {}
    for word in words:
        key, _, raw = word.partition("=")
        if "," not in raw or raw.startswith(("[", "{", '"', "'")):
            plain.append(word)
            continue
        axes[key] = [_yaml_value(value, word) for value in raw.split(",")]
        if len(set(axes[key])) < len(axes[key]) or None in axes[key]:
            raise ConfigError(f"{word!r}: expected several different values, such as optim.lr=1e-5,2e-5")
    return plain, axes


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping. Raises `ConfigError` otherwise."""
    import yaml

    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: the 45th of a month
        raise ConfigError(f"{path}: cannot be read as YAML ({in_a_line(error)})") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(value).__name__}")
    return value


def describe_fields(section: type[Section] = Config, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted key, default, help) for every setting."""
    for name, field in section.model_fields.items():
        default = field.default
        if isinstance(default, Section):
            yield from describe_fields(type(default), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", default, field.description or ""


def _yaml_value(raw: str, word: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(raw)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{word!r}: the value is not YAML ({in_a_line(error)})") from None
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)  # YAML 1.1 reads 3e-5 as text, but a number is meant
    return value


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> None:
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = [name for name, _, _ in describe_fields()]
        leaf = key.rpartition(".")[2]  # `lr` or `train.lr`: the name is right, the section is wrong
        if there := [name for name in known if name.rpartition(".")[2] == leaf]:
            return f"unknown key {key!r}; did you mean {' or '.join(there)}?"
        return suggest(key, known, what="key")
    found = "" if first["type"] == "value_error" else f", found {first['input']!r}"
    return f"{key or 'settings'}: {first['msg']}{found}"
