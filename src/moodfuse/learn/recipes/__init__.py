"""Recipes: every system as YAML over the defaults. A new one is one file here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from moodfuse.config import Config, build_config, load_yaml
from moodfuse.errors import ConfigError, suggest


def recipe_names() -> list[str]:
    """Return the names of the packaged recipes."""
    return sorted(_named(""))


def load_recipe(name: str) -> dict[str, Any]:
    """Return the settings of a packaged recipe. Raises `ConfigError` with the nearest names otherwise."""
    return _load("", name, "recipe")


def resolve_config(
    recipe: str | None = None, *, file: Path | None = None, overrides: Sequence[Mapping[str, Any]] = ()
) -> Config:
    """Lay defaults, the regime's settings, a recipe, a YAML file and overrides over one another, in that order.

    The regime is whichever the upper layers ask for, since its learning rates and epochs lie below theirs.
    """
    upper: list[Mapping[str, Any]] = [load_recipe(recipe)] if recipe else []
    upper += [load_yaml(file)] if file else []
    upper += list(overrides)
    regime = build_config(upper).train.regime
    return build_config([_load("regimes", regime, "regime"), *upper])


def _named(folder: str) -> dict[str, Path]:
    root = Path(str(files(__package__))) / folder
    return {path.stem: path for path in root.glob("*.yaml")}


def _load(folder: str, name: str, what: str) -> dict[str, Any]:
    known = _named(folder)
    if name not in known:
        raise ConfigError(suggest(name, known, what=what))
    return load_yaml(known[name])
