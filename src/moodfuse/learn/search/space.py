"""The search space: the settings, their ranges, and a configuration's own values among them; or a grid of points.

The settings and ranges are the same for every fusion, or those of a YAML file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import get_args

from optuna.trial import Trial

from moodfuse.config import Config
from moodfuse.records.cells import Grid, Space, Span
from moodfuse.records.configuration import flat
from moodfuse.records.record import Number
from moodfuse.settings import build_config, parse_overrides


@dataclass(frozen=True, slots=True)
class Setting:
    """A dimension of the search: a range, drawn uniformly or log-uniformly, or a choice."""

    key: str
    low: Number = 0.0
    high: Number = 1.0
    log: bool = False
    choices: tuple[Number, ...] = ()
    whole: bool = False

    def draw(self, trial: Trial) -> Number:
        """Return a value for this trial."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if self.whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log)
        return float(trial.suggest_float(self.key, self.low, self.high, log=self.log))

    @property
    def ends(self) -> tuple[Number, ...]:
        """All choices, or both ends of the range."""
        return self.choices or (self.low, self.high)

    def nearest(self, value: Number) -> Number:
        """Return the value of the space that is nearest to `value`."""
        if self.choices:
            return min(self.choices, key=lambda choice: abs(choice - value))
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.whole else inside


def search_space(config: Config, grid: Grid | None = None, own: Space | None = None) -> list[Setting]:
    """Return the settings to search: those of the grid, or of one's own space, or else the same for every fusion.

    Without either, the learning rate of the encoders is among them if any trains.
    """
    if grid:
        return [Setting(key, choices=tuple(values)) for key, values in grid.items()]
    if own:
        return [
            Setting(key, entry.low, entry.high, entry.log, whole=is_whole(key, entry))
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


def number_types(key: str) -> set[type] | None:
    """Return which of `int`, `float` and `bool` a setting takes; `None` if undeclared, as the options of a fusion."""
    section, _, leaf = key.partition(".")
    declared = getattr(Config.model_fields[section].annotation, "model_fields", {}).get(leaf)
    if declared is None:
        return None
    return {int, float, bool} & set(get_args(declared.annotation) or (declared.annotation,))


def is_whole(key: str, span: Span) -> bool:
    """Tell whether whole numbers are drawn: as the setting is declared or, of an option, where both ends are whole."""
    types = number_types(key)
    return isinstance(span.low, int) and isinstance(span.high, int) if types is None else float not in types


def with_settings(config: Config, settings: Mapping[str, Number]) -> Config:
    """Return the configuration with these dotted settings applied."""
    words = (f"{key}={value!r}" for keys, value in settings.items() for key in keys.split("+"))
    return build_config([config.model_dump(mode="json"), parse_overrides(words)])


def first_points(config: Config, grid: Grid | None = None, own: Space | None = None) -> list[dict[str, Number]]:
    """Return the points that a search tries first: all of a grid or, without one, the configuration's own values.

    With its own values first, a search never ends below the configuration that it starts from. Those that are not in
    the space are the nearest that are.
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
