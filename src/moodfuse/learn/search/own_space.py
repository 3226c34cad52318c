"""A search space of one's own, from a YAML file; and what a search may change at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from moodfuse.config import Config, idle_settings
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import check_model
from moodfuse.learn.search.space import number_types, search_space, with_settings
from moodfuse.records.cells import Grid, Space, Span
from moodfuse.records.record import Number, why
from moodfuse.settings import load_yaml

_ENTRY: TypeAdapter[Span | list[Number]] = TypeAdapter(Span | list[Number])
#: Posts are split and read once for all trials, so a search changes nothing else.
_SECTIONS = ("model", "optim", "train")
_OF_STAGES = {"optim.encoder_lr", "optim.text_lr", "optim.image_lr", "optim.layer_decay", "train.freeze", "train.lora"}
_OF_STAGES |= {"train.stage_epochs", "train.stage_batch_size", "train.text_epochs", "train.image_epochs"}


def read_space(path: Path) -> Space:
    """Read a search space from YAML: `optim.lr: {low: 1e-5, high: 1e-2, log: true}`, `train.batch_size: [32, 64]`.

    Raises `ConfigError` for a file that is something else; `check_searched` looks at the settings.
    """
    space = dict(_entries(load_yaml(path), path))
    if not space:
        raise ConfigError(f"{path}: expected settings with their ranges, such as optim.lr: {{low: 1e-5, high: 1e-2}}")
    return space


def check_searched(config: Config, grid: Grid | None, own: Space | None) -> None:
    """Raise `ConfigError` for a setting that a search of `config` cannot have, or a value that `config` cannot have."""
    for keys, entry in (grid or own or {}).items():
        for key in keys.split("+"):
            _check_key(key, config)
        if isinstance(entry, Span) and number_types(keys) == {int} and not _whole(entry):
            raise ConfigError(f"{keys}: expected whole numbers, found {entry.low:g} and {entry.high:g}")
    for setting in search_space(config, grid, own) if grid or own else []:
        for value in setting.ends:
            check_model(with_settings(config, {setting.key: value}))


def _check_key(key: str, config: Config) -> None:
    section, train = key.partition(".")[0], config.train
    if section not in _SECTIONS:
        raise ConfigError(
            f"{key}: cannot be searched; expected settings of model, optim and train, as posts are split and read once"
        )
    idle = set(idle_settings(train)) | ({"optim.encoder_lr"} if train.regime == "frozen" else set())
    if key in idle or (train.regime == "two_stage" and key in _OF_STAGES):
        raise ConfigError(
            f"{key}: does nothing in a search with train.regime={train.regime}"
            + (", whose first stage is the same for all trials" if train.regime == "two_stage" else "")
        )
    if number_types(key) in (set(), {bool}):
        raise ConfigError(f"{key}: expected a setting that is a number; compare --vary takes others")


def _whole(span: Span) -> bool:
    return float(span.low).is_integer() and float(span.high).is_integer()


def _entries(nested: Mapping[str, Any], path: Path, prefix: str = "") -> Iterator[tuple[str, Span | list[Number]]]:
    for name, value in nested.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and not value.keys() & {"low", "high"}:
            yield from _entries(value, path, f"{key}.")
            continue
        try:
            entry = _ENTRY.validate_python(value)
        except ValidationError as error:
            raise ConfigError(
                f"{path}: {key}: expected {{low: 1e-5, high: 1e-2, log: true}} or a list of numbers ({why(error)})"
            ) from None
        if isinstance(entry, list) and len(set(entry)) < max(2, len(entry)):
            raise ConfigError(f"{path}: {key}: expected two different values or more, found {entry}")
        yield key, entry
