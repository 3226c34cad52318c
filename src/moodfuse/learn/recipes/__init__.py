"""Recipes: every system as a YAML file over the defaults. To add a recipe, add a file here.

`original/NAME` is layered over NAME: it sets the encoders of the five course reports, from a model hub, and the
training that they describe. If a report names several encoders for a system, or none, the recipe takes an encoder that
the reports name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from moodfuse.config import Config, idle_settings
from moodfuse.errors import ConfigError, suggest
from moodfuse.records.run import RunFolder, has_trained_encoders
from moodfuse.settings import build_config, load_yaml

_ORIGINAL = "original/"


def recipe_names() -> list[str]:
    """Return the names of the recipes for packaged encoders, one recipe per system."""
    return sorted(_named(""))


def original_names() -> list[str]:
    """Return the names of the recipes for the encoders of the five course reports."""
    return sorted(_ORIGINAL + name for name in _named("original"))


def recipe_layers(name: str) -> list[dict[str, Any]]:
    """Return the settings of a packaged recipe, lowest layer first.

    Raises `ConfigError` with the nearest names if there is no recipe `name`.
    """
    known = [*recipe_names(), *original_names()]
    if name not in known:
        raise ConfigError(suggest(name, known, what="recipe"))
    system = name.removeprefix(_ORIGINAL)
    layers = [load_yaml(_named("")[system])]
    return layers if system == name else [*layers, load_yaml(_named("original")[system])]


def resolve_config(
    recipe: str | None = None, *, file: Path | None = None, overrides: Sequence[Mapping[str, Any]] = ()
) -> Config:
    """Merge defaults, the regime's settings, a recipe, a YAML file and overrides; later layers win.

    The upper layers choose the regime; its learning rates and epochs lie below theirs. So do the cleaning and
    `data.max_tokens` of a run whose text encoder they name: the encoder goes on reading what it was trained on.
    """
    own = recipe_layers(recipe) if recipe else []
    upper = [*([load_yaml(file)] if file else []), *overrides]
    chosen = build_config([*own, *upper])
    own = [_without(layer, idle_settings(chosen.train)) for layer in own]
    return build_config([load_yaml(_named("regimes")[chosen.train.regime]), *_readings(chosen), *own, *upper])


def _without(layer: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return a recipe's settings without `keys`, which do nothing in another regime than its own."""
    return {
        section: {name: value for name, value in inside.items() if f"{section}.{name}" not in keys}
        if isinstance(inside, Mapping)
        else inside
        for section, inside in layer.items()
    }


def _readings(config: Config) -> list[dict[str, Any]]:
    """Return, as settings, how each run whose text encoder `config` names has read its texts."""
    runs = [RunFolder(Path(name)) for name in config.model.encoders("text") if has_trained_encoders(Path(name))]
    read = [build_config([load_yaml(run.config)]).data for run in runs]
    return [{"data": data.model_dump(include={"cleaning", "max_tokens"})} for data in read]


def _named(folder: str) -> dict[str, Path]:
    root = Path(str(files(__package__))) / folder
    return {path.stem: path for path in root.glob("*.yaml")}
