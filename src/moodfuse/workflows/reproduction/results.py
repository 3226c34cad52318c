"""The record of a reproduction, from the results and cells of its comparison."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from moodfuse.records.cells import CellTrial, TrainedCell
from moodfuse.records.comparison import Comparison
from moodfuse.records.plan import ComparisonPlan
from moodfuse.records.record import Number
from moodfuse.records.reproduction import FORMAT, ReproducedSystem, Reproduction, TriedPoint, WithheldArm
from moodfuse.records.results import ArmRow, ComparisonResults, MeanScore
from moodfuse.workflows.reproduction.plan import Reproducing

_SCORES = ("accuracy", "macro_f1")


def build_reproduction(
    asked: Reproducing, comparison: Comparison, results: ComparisonResults, cut: Sequence[str]
) -> Reproduction:
    """Return what the report said beside what its comparison found."""
    report, plan = asked.report, comparison.plan
    assert plan is not None  # it has just been run
    whole = {row.arm: row for row in results.rows if row.withheld is None}
    first = plan.models[0].config
    return Reproduction(
        format=FORMAT,
        report=report.name,
        title=report.title,
        about=report.about,
        encoders={"text": first.encoder("text") or "", "image": first.encoder("image") or ""},
        budget=asked.budget_name,
        cut=list(cut),
        finished=results.finished,
        posts=plan.data.posts,
        tested=results.posts,
        seeds=len(results.seeds),
        split=report.split,
        split_here=_split_here(results, plan),
        unseen=not plan.validates_only,
        silent=list(report.silent),
        changed=list(report.changed),
        systems=[_system(asked, name, whole[name], comparison.cells[name]) for name in report.systems if name in whole],
        withheld=[WithheldArm(name=row.arm, found=_found(row)) for row in results.rows if row.withheld],
        points=[point for name in report.systems for point in tried_points(name, comparison.cells.get(name, []))],
        headlines=list(results.headlines),
        made=plan.created[:10],
    )


def tried_points(name: str, cells: Sequence[TrainedCell]) -> list[TriedPoint]:
    """Return each point of a system's grid, with its mean validation score and how many cells chose it."""
    tried: dict[tuple[tuple[str, Number], ...], list[float | None]] = {}
    chosen: list[tuple[tuple[str, Number], ...]] = []
    for cell in cells:
        for trial in cell.metrics.trials:
            tried.setdefault(tuple(trial.settings.items()), []).append(trial.score)
        if best := _best(cell.metrics.trials):
            chosen.append(tuple(best.settings.items()))
    return [
        TriedPoint(
            system=name,
            settings=dict(point),
            score=fmean(known) if (known := [score for score in scores if score is not None]) else None,
            cells=len(scores),
            chosen=chosen.count(point),
        )
        for point, scores in tried.items()
    ]


def _best(trials: Sequence[CellTrial]) -> CellTrial | None:
    scored = [(trial.score, -trial.number, trial) for trial in trials if trial.score is not None]
    return max(scored, key=lambda found: found[:2])[2] if scored else None


def _system(asked: Reproducing, name: str, row: ArmRow, cells: Sequence[TrainedCell]) -> ReproducedSystem:
    said = asked.report.systems[name]
    metrics = [cell.metrics for cell in cells]
    return ReproducedSystem(
        name=name,
        recipe=said.recipe,
        reads=row.reads,
        reported=dict(said.reported),
        said=said.said,
        trap=said.trap,
        found=_found(row),
        chosen_on={
            score: fmean(found)
            for score in _SCORES
            if (found := [cell.validation[score] for cell in metrics if score in cell.validation])
        },
        seconds=row.seconds,
    )


def _found(row: ArmRow) -> dict[str, MeanScore]:
    return {"accuracy": row.accuracy, "macro_f1": row.macro_f1}


def _split_here(results: ComparisonResults, plan: ComparisonPlan) -> str:
    if plan.validates_only:
        return (
            f"one split, stratified, with near-duplicates kept together: {results.posts:,} posts validate, the rest "
            "trains, and none tests, so the scores are of the posts that chose the epoch and the settings"
        )
    if results.folds == 1:
        return (
            "one split, stratified, with near-duplicates kept together: a fifth of the posts tests, which the "
            "training, the encoders' tuning and the choice of epoch and settings never saw; a tenth chooses, the rest "
            "trains"
        )
    whole = plan.cell_count
    tested = "all posts are tested" if results.folds == whole else f"{results.folds} of {whole} cells are run"
    return (
        f"stratified cells with near-duplicates kept together: each tests {1 / whole:.0%} of the posts, which its "
        "training, its encoders' tuning and its choice of epoch and settings never saw, and chooses on "
        f"{1 / (2 * whole):.0%}; {tested}"
    )
