"""`comparison.json`: the plan of a comparison, fixed before its first cell. docs/comparison.md describes it."""

from __future__ import annotations

from pydantic import Field, JsonValue

from moodfuse.config import Modality
from moodfuse.records.configuration import StoredConfig, TrainedAlong, flat
from moodfuse.records.environment import Environment
from moodfuse.records.judge import PlannedJudge
from moodfuse.records.record import Number, Record


class ComparedPosts(Record):
    """The posts: their source, how many, how many of each label; `unlabelled` posts were left out."""

    source: str = ""
    sha256: str
    posts: int
    unlabelled: int = 0
    classes: dict[str, int] = Field({})
    #: corpora that trained along in every cell, and were never tested on
    also_train: list[TrainedAlong] = Field([])


class PlannedModel(Record):
    """A model of the comparison; `consumes` says what its fusion reads: pooled vectors, tokens or pixels."""

    name: str
    fusion: str = ""
    modalities: list[Modality]
    consumes: str = ""
    config: StoredConfig
    #: the values that each of its cells tries, by setting
    grid: dict[str, list[Number]] = Field({})


class PlannedArm(Record):
    """A row of the tables: a model, with or without a modality withheld; `reads`: both, text or image."""

    name: str
    model: str
    reads: str
    withheld: Modality | None


class ComparisonPlan(Record):
    """All of `comparison.json`."""

    format: int
    name: str = ""
    created: str = ""
    data: ComparedPosts
    labels: list[str]
    seeds: list[int]
    folds: int
    trials: int
    models: list[PlannedModel]
    arms: list[PlannedArm]
    #: a model behind an endpoint, as one more row
    judge: PlannedJudge | None = None
    environment: Environment | None = None

    @property
    def model_names(self) -> list[str]:
        return [model.name for model in self.models] + ([self.judge.name] if self.judge else [])

    @property
    def validates_only(self) -> bool:
        """Whether the scores are of the posts that chose, since no post is held out for a test."""
        return any(model.config.validates_only for model in self.models)

    @property
    def cell_count(self) -> int:
        """The number of cells that the folds of the split make; together they test every post."""
        found = self.models[0].config.setting("split.folds") if self.models else None
        return found // 2 if isinstance(found, int) else 5

    def settings(self) -> dict[str, JsonValue]:
        """Return the settings that must be the same to continue a comparison, with dotted names.

        Raises `ConfigError` for settings that this version does not know.
        """
        found: dict[str, JsonValue] = {
            "seeds": list(self.seeds),
            "folds": self.folds,
            "trials": self.trials,
            "labels": list(self.labels),
            "models": list(self.model_names),
        }
        found |= self.judge.settings() if self.judge else {}
        for model in self.models:
            settings = flat(model.config.resolved().model_dump(mode="json"))
            settings |= {"fusion": model.fusion, "consumes": model.consumes, "modalities": list(model.modalities)}
            settings |= {f"grid {key}": list(values) for key, values in model.grid.items()}
            found |= {f"{model.name}: {key}": value for key, value in settings.items()}
        return found
