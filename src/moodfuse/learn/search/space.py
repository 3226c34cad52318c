"""The search space: the settings, their ranges, and a configuration's own values among them; or a grid of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from optuna.trial import Trial

from moodfuse.config import Config
from moodfuse.records.cells import Grid
from moodfuse.records.record import Number
from moodfuse.settings import build_config, parse_overrides


@dataclass(frozen=True, slots=True)
class Setting:
    """A dimension of the search: a range, drawn uniformly or log-uniformly, or a choice."""

    key: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[Number, ...] = ()

    def draw(self, trial: Trial) -> Number:
        """Return a value for this trial."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        return float(trial.suggest_float(self.key, self.low, self.high, log=self.log))

    def nearest(self, value: Number) -> Number:
        """Return the value of the space that is nearest to `value`."""
        if self.choices:
            return min(self.choices, key=lambda choice: abs(choice - value))
        return min(max(value, self.low), self.high)


def search_space(config: Config, grid: Grid | None = None) -> list[Setting]:
    """Return the settings to search: those of the grid or, without one, the same for every fusion.

    Without a grid, the learning rate of the encoders is among them if any trains.
    """
    if grid:
        return [Setting(key, choices=tuple(values)) for key, values in grid.items()]
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


def first_points(config: Config, grid: Grid | None = None) -> list[dict[str, Number]]:
    """Return the points that a search tries first: all of a grid or, without one, the configuration's own values.

    With its own values first, a search never ends below the configuration that it starts from.
    """
    if grid:
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return [recipe_settings(config)]


def recipe_settings(config: Config) -> dict[str, Number]:
    """Return the configuration's own values in the space without a grid."""
    flat = config.model_dump()
    result = {}
    for setting in search_space(config):
        section, _, leaf = setting.key.partition(".")
        result[setting.key] = setting.nearest(flat[section][leaf])
    return result
