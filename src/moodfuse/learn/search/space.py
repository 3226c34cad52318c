"""The search space: the settings, their ranges, and a configuration's own values among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optuna.trial import Trial

from moodfuse.config import Config
from moodfuse.settings import build_config, parse_overrides


@dataclass(frozen=True, slots=True)
class Setting:
    """A dimension of the search: a range, drawn uniformly or log-uniformly, or a choice."""

    key: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[int, ...] = ()

    def draw(self, trial: Trial) -> float:
        """Return a value for this trial."""
        if self.choices:
            return int(trial.suggest_categorical(self.key, self.choices))
        return float(trial.suggest_float(self.key, self.low, self.high, log=self.log))

    def nearest(self, value: float) -> float:
        """Return the value of the space that is nearest to `value`."""
        if self.choices:
            return min(self.choices, key=lambda choice: abs(choice - value))
        return min(max(value, self.low), self.high)


def search_space(config: Config) -> list[Setting]:
    """Return the settings to search: the same for every fusion, plus the encoders' learning rate if any trains."""
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


def with_settings(config: Config, settings: Mapping[str, float]) -> Config:
    """Return the configuration with these dotted settings applied."""
    overrides = parse_overrides(f"{key}={value!r}" for key, value in settings.items())
    return build_config([config.model_dump(mode="json"), overrides])


def recipe_settings(config: Config) -> dict[str, float]:
    """Return the configuration's own values in the space: the first trial, so that a search never ends below it."""
    flat = config.model_dump()
    result = {}
    for setting in search_space(config):
        section, _, leaf = setting.key.partition(".")
        result[setting.key] = setting.nearest(flat[section][leaf])
    return result
