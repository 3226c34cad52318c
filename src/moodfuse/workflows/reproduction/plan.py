"""What a reproduction runs: the systems of a course report as models, its posts, and what is cut of its budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from moodfuse.data.posts import Posts
from moodfuse.records.configuration import flat

if TYPE_CHECKING:
    from moodfuse.learn.compare.models import ComparedModel
    from moodfuse.learn.recipes.course_reports import Budget, BudgetName, CourseReport, WhoseEncoders

#: The settings that a budget may change.
_LISTED = ("train.regime", "train.epochs", "train.stage_epochs", "train.batch_size", "train.patience")


@dataclass(frozen=True, slots=True)
class Reproducing:
    """A course report, whose encoders its systems have, and how much is run."""

    report: CourseReport
    encoders: WhoseEncoders
    budget_name: BudgetName
    overrides: Sequence[Mapping[str, Any]] = ()

    @property
    def budget(self) -> Budget:
        return self.report.budget(self.budget_name)

    def models(self) -> list[ComparedModel]:
        """Return the report's systems with this budget, the ablations among them."""
        return [self._model(name, self.budget, self.overrides) for name in self.report.systems]

    def posts(self, posts: Posts) -> Posts:
        """Return the labelled posts, or a sample of them if the budget takes fewer."""
        labelled = posts.labelled()
        if not self.budget.posts or len(labelled) <= self.budget.posts:
            return labelled
        drawn = np.sort(np.random.default_rng(0).permutation(len(labelled))[: self.budget.posts])
        return labelled.subset([labelled.ids[i] for i in drawn])

    def cut(self, posts: int, given: int) -> list[str]:
        """Return in words what is smaller than in the report: posts, cells, settings, points of the grid."""
        whole, mine = self.report.budget("full"), self.budget
        words = [f"{posts:,} of {given:,} posts"] if posts < given else []
        validates = self._model(next(iter(self.report.systems)), mine, self.overrides).config.split.validation
        if not validates and mine.folds < whole.folds:
            words += ["one split instead of five" if mine.folds == 1 else f"{mine.folds} of five cells"]
        words += [f"{mine.seeds} of {whole.seeds} seeds"] if mine.seeds < whole.seeds else []
        return list(dict.fromkeys([*words, *(word for name in self.report.systems for word in self._cut_of(name))]))

    def _cut_of(self, name: str) -> list[str]:
        here, there = self._model(name, self.budget, self.overrides), self._model(name, self.report.budget("full"))
        ours, theirs = (flat(model.config.model_dump(mode="json")) for model in (here, there))
        words = [
            f"{key.partition('.')[2]} {ours[key]} instead of {theirs[key]}"
            for key in _LISTED
            if ours[key] != theirs[key] and (here.config.train.regime == "two_stage" or "stage" not in key)
        ]
        tried, wanted = (int(np.prod([len(values) for values in m.grid.values()])) for m in (here, there))
        return [*words, *([f"{tried} of {wanted} points of the grid"] if tried < wanted else [])]

    def _model(self, name: str, budget: Budget, overrides: Sequence[Mapping[str, Any]] = ()) -> ComparedModel:
        from moodfuse.learn.compare.models import compared
        from moodfuse.learn.recipes import resolve_config
        from moodfuse.learn.recipes.course_reports import fewer_values

        system = self.report.systems[name]
        layers = [*self.report.layers(name, self.encoders), budget.settings, *overrides]
        return compared(name, resolve_config(system.recipe, overrides=layers), fewer_values(system.grid, budget.grid))
