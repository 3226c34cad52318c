"""Recipes: every system as a YAML file over the defaults. To add a recipe, add a file here.

`original/s0-concat` is the `concat` of the first course report: its encoders, from a model hub, and the training that
it describes (`original/s0.yaml`), over the recipe `concat`. `original/concat` is the first report's that has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from moodfuse.config import Config, idle_settings
from moodfuse.errors import ConfigError, suggest
from moodfuse.learn.recipes.course_reports import course_reports
from moodfuse.records.run import RunFolder, has_trained_encoders
from moodfuse.settings import build_config, load_yaml

_ORIGINAL = "original/"
_PACE = ("train.epochs", "train.patience", "train.batch_size")


def recipe_names() -> list[str]:
    """Return the names of the recipes for packaged encoders, one recipe per system."""
    return sorted(_named(""))


def original_names() -> list[str]:
    """Return the names of the recipes of the five course reports: `original/s0-concat` ..."""
    return [f"{_ORIGINAL}{report}-{system}" for report, found in course_reports().items() for system in found.systems]


def is_recipe(name: str) -> bool:
    """Return whether there is a recipe of that name."""
    return name in _known()


def recipe_layers(name: str) -> list[dict[str, Any]]:
    """Return the settings of a packaged recipe, lowest layer first.

    Raises `ConfigError` with the nearest names if there is no recipe `name`.
    """
    known = _known()
    if name not in known:
        raise ConfigError(suggest(name, known, what="recipe"))
    if (system := known[name]) is None:
        return [load_yaml(_named("")[name])]
    report, _, called = system.partition("-")
    found = course_reports()[report]
    return [load_yaml(_named("")[found.systems[called].recipe]), *found.layers(called, "original")]


def _known() -> dict[str, str | None]:
    """Return each recipe's name with the system of a report that it is, such as `s0-concat`; `None` for the others."""
    systems = [name.removeprefix(_ORIGINAL) for name in original_names()]
    # The first report that has a fusion also gives it its plain name.
    plain = {_recipe_of(system): system for system in reversed(systems)}
    known: dict[str, str | None] = dict.fromkeys(recipe_names())
    return known | {_ORIGINAL + name: system for name, system in (*plain.items(), *zip(systems, systems, strict=True))}


def _recipe_of(system: str) -> str:
    report, _, called = system.partition("-")
    return course_reports()[report].systems[called].recipe


def resolve_config(
    recipe: str | None = None, *, file: Path | None = None, overrides: Sequence[Mapping[str, Any]] = ()
) -> Config:
    """Merge defaults, the regime's settings, a recipe, a YAML file and overrides; later layers win.

    The upper layers choose the regime; its learning rates and epochs lie below theirs. So do the cleaning and
    `data.max_tokens` of a run whose text encoder they name: the encoder goes on reading what it was trained on.
    A recipe's epochs, patience and batch size, chosen for a head on frozen features, do not hold where encoders train
    with the head: those of the regime do.
    """
    own = recipe_layers(recipe) if recipe else []
    upper = [*([load_yaml(file)] if file else []), *overrides]
    chosen = build_config([*own, *upper])
    idle = idle_settings(chosen.train)
    own = [_without(layer, [*idle, *pace]) for layer, pace in zip(own, _other_paces(own, chosen), strict=True)]
    return build_config([load_yaml(_named("regimes")[chosen.train.regime]), *_readings(chosen), *own, *upper])


def _other_paces(layers: Sequence[Mapping[str, Any]], chosen: Config) -> list[tuple[str, ...]]:
    """Return for each of a recipe's layers the keys of its pace, if it is that of another regime than `chosen` has."""
    regime, found = "frozen", list[tuple[str, ...]]()
    for layer in layers:
        regime = layer.get("train", {}).get("regime", regime)
        found.append(_PACE if chosen.train.regime == "end_to_end" != regime else ())
    return found


def _without(layer: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return a recipe's settings without `keys`, which are for another regime."""
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
