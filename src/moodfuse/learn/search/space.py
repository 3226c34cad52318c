"""The search space: the settings, their ranges, and a configuration's own values among them; or a grid of points.

The settings and ranges are the same for every fusion, or those of a YAML file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from optuna.trial import Trial
from pydantic import TypeAdapter, ValidationError

from moodfuse.config import Config
from moodfuse.errors import ConfigError
from moodfuse.records.cells import Grid, Space, Span
from moodfuse.records.configuration import flat
from moodfuse.records.record import Number, why
from moodfuse.settings import build_config, load_yaml, parse_overrides

_ENTRY: TypeAdapter[Span | list[Number]] = TypeAdapter(Span | list[Number])


@dataclass(frozen=True, slots=True)
class Setting:
    """A dimension of the search: a range, drawn uniformly or log-uniformly, or a choice. Two whole ends draw wholes."""

    key: str
    low: Number = 0.0
    high: Number = 1.0
    log: bool = False
    choices: tuple[Number, ...] = ()

    def draw(self, trial: Trial) -> Number:
        """Return a value for this trial."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.key, self.low, self.high, log=self.log)
        return float(trial.suggest_float(self.key, self.low, self.high, log=self.log))

    @property
    def ends(self) -> tuple[Number, ...]:
        """All choices, or both ends of the range."""
        return self.choices or (self.low, self.high)

    def nearest(self, value: Number) -> Number:
        """Return the value of the space that is nearest to `value`."""
        if self.choices:
            return min(self.choices, key=lambda choice: abs(choice - value))
        return min(max(value, self.low), self.high)


def read_space(path: Path, config: Config) -> Space:
    """Read a search space from YAML: `optim.lr: {low: 1e-5, high: 1e-2, log: true}`, `train.batch_size: [32, 64]`.

    Raises `ConfigError` for a file that is something else, and for a value that `config` cannot have.
    """
    space = dict(_entries(load_yaml(path), path))
    if not space:
        raise ConfigError(f"{path}: expected settings with their ranges, such as optim.lr: {{low: 1e-5, high: 1e-2}}")
    for setting in search_space(config, own=space):
        for value in setting.ends:
            try:
                with_settings(config, {setting.key: value})
            except ConfigError as error:
                raise ConfigError(f"{path}: {error}") from None
    return space


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


def search_space(config: Config, grid: Grid | None = None, own: Space | None = None) -> list[Setting]:
    """Return the settings to search: those of the grid, or of one's own space, or else the same for every fusion.

    Without either, the learning rate of the encoders is among them if any trains.
    """
    if grid:
        return [Setting(key, choices=tuple(values)) for key, values in grid.items()]
    if own:
        return [
            Setting(key, entry.low, entry.high, entry.log)
            if isinstance(entry, Span)
            else Setting(key, choices=tuple(entry))
            for key, entry in own.items()
        ]
    space = [
        Setting("optim.lr", 1e-5, 1e-2, log=True),
        Setting("optim.weight_decay", 1e-4, 0.3, log=True),
        Setting("model.dropout", 0.0, 0.5),
        Setting("model.modality_dropout", 0.0, 0.3),
        Setting("train.batch_size", choices=(8, 16, 32) if config.train.tuned else (32, 64, 128)),
    ]
    if config.train.loss == "cross_entropy":
        space.append(Setting("train.label_smoothing", 0.0, 0.2))
    if config.train.tuned:
        space.append(Setting("optim.encoder_lr", 1e-6, 2e-3 if config.train.lora else 2e-4, log=True))
    return space


def with_settings(config: Config, settings: Mapping[str, Number]) -> Config:
    """Return the configuration with these dotted settings applied."""
    words = (f"{key}={value!r}" for keys, value in settings.items() for key in keys.split("+"))
    return build_config([config.model_dump(mode="json"), parse_overrides(words)])


def first_points(config: Config, grid: Grid | None = None, own: Space | None = None) -> list[dict[str, Number]]:
    """Return the points that a search tries first: all of a grid or, without one, the configuration's own values.

    With its own values first, a search never ends below the configuration that it starts from.
    """
    if grid:
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return [recipe_settings(config, own)]


def recipe_settings(config: Config, own: Space | None = None) -> dict[str, Number]:
    """Return the configuration's own values in the space without a grid; what has none is left to be drawn."""
    values = flat(config.model_dump())
    known = {setting: values.get(setting.key) for setting in search_space(config, own=own)}
    return {
        setting.key: setting.nearest(value)
        for setting, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
