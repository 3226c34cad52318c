"""The models of a comparison, by name or by group, and the arms of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from moodfuse.config import OTHER, Config, Modality
from moodfuse.errors import ConfigError, suggest
from moodfuse.evaluate.verdicts import SINGLE
from moodfuse.learn.assembly import check_model
from moodfuse.learn.diagram import draw_fusions
from moodfuse.learn.fusion import find_fusion, fusions
from moodfuse.learn.recipes import is_recipe, original_names, recipe_names, resolve_config
from moodfuse.records.cells import Grid
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.plan import PlannedArm, PlannedModel
from moodfuse.settings import parse_overrides

#: Groups of fusions by what they read. Each includes `text` and `image`, which show whether fusing pays at all.
GROUPS = ("all", "pooled", "tokens")


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A model: a recipe, or a fusion without a recipe, its whole configuration, and the grid that each cell tries."""

    name: str
    config: Config
    modalities: tuple[Modality, ...]
    consumes: str
    grid: Grid = field(default_factory=dict)

    def planned(self) -> PlannedModel:
        """Return the model as a comparison's plan stores it."""
        return PlannedModel(
            name=self.name,
            fusion=self.config.model.fusion,
            modalities=list(self.modalities),
            consumes=self.consumes,
            config=StoredConfig.from_config(self.config),
            grid={key: list(values) for key, values in self.grid.items()},
        )

    def arms(self) -> list[PlannedArm]:
        """Return the arms of the model: as it is and, if it reads two modalities, with each of them withheld."""
        if len(self.modalities) == 1:
            return [PlannedArm(name=self.name, model=self.name, reads=self.modalities[0], withheld=None)]
        whole = PlannedArm(name=self.name, model=self.name, reads="both", withheld=None)
        parts = [
            PlannedArm(name=f"{self.name} without {gone}", model=self.name, reads=OTHER[gone], withheld=gone)
            for gone in self.modalities
        ]
        return [whole, *parts]


def choose_models(names: Sequence[str], overrides: Sequence[Mapping[str, Any]]) -> list[ComparedModel]:
    """Return the models that `names` of recipes, fusions and `GROUPS` stand for, each once.

    A group leaves out fusions that read pixels and, with a warning, fusions that cannot be built. Raises `ConfigError`
    for an unknown name, for settings that a model does not take, and for an empty list of names.
    """
    wanted: dict[str, None] = {}
    for name in names:
        wanted |= dict.fromkeys(_group(name) if name in GROUPS else [name])
    if not wanted:
        raise ConfigError(f"--fusions: expected names or {', '.join(GROUPS)}, found nothing")
    return [_model(name, overrides) for name in wanted]


def vary_model(
    name: str, axes: Mapping[str, Sequence[Any]], overrides: Sequence[Mapping[str, Any]]
) -> list[ComparedModel]:
    """Return a recipe or fusion once for each combination of settings, named after them: `gated gate=image`."""
    models = []
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        called = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in point.items())
        layer = parse_overrides(f"{key}={value}" for key, value in point.items())
        models.append(_model(name, [*overrides, layer], f"{name} {called}"))
    return models


def _group(group: str) -> list[str]:
    consumed = ("pooled", "tokens") if group == "all" else (group,)
    chosen = [name for name in fusions() if find_fusion(name).consumes in consumed and name not in SINGLE]
    return [*draw_fusions(chosen), *SINGLE]


def model_config(name: str, overrides: Sequence[Mapping[str, Any]]) -> Config:
    """Return the configuration of a recipe, or of a fusion without a recipe. Raises `ConfigError` for other names."""
    if is_recipe(name):
        return resolve_config(name, overrides=overrides)
    if name in fusions():
        return resolve_config(overrides=[{"model": {"fusion": name}}, *overrides])
    raise ConfigError(suggest(name, {*fusions(), *recipe_names(), *original_names(), *GROUPS}, what="fusion"))


def _model(name: str, overrides: Sequence[Mapping[str, Any]], called: str = "") -> ComparedModel:
    if any("fusion" in (layer.get("model") or {}) for layer in overrides):
        raise ConfigError("model.fusion: each model of a comparison has its own; name fusions with --fusions")
    return compared(called or name, model_config(name, overrides))


def compared(name: str, config: Config, grid: Grid | None = None) -> ComparedModel:
    """Return a model with its own configuration. Raises `ConfigError` if it cannot be trained."""
    check_model(config)
    cls = find_fusion(config.model.fusion)
    return ComparedModel(name, config, cls.modalities, cls.consumes, grid or {})
