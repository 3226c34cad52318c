"""Build `results.json` from the cells: rows, verdicts, calibration, robustness and cost, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from moodfuse.evaluate.calibration import expected_calibration_error, reliability
from moodfuse.evaluate.intervals import percentiles
from moodfuse.evaluate.logits import logits_of, softmax
from moodfuse.evaluate.metrics import Scores, confusion_metrics, score
from moodfuse.evaluate.robustness import removal_curve
from moodfuse.records.cells import FORMAT
from moodfuse.records.comparison import ComparisonFolder
from moodfuse.records.judge import JudgeFacts
from moodfuse.records.record import read_record, write_record
from moodfuse.records.results import (
    ArmCalibration,
    ArmRow,
    CellCount,
    ComparisonResults,
    DamagedScores,
    LabelRow,
    MeanScore,
    ModelCost,
    ReliabilityBin,
    RemovalCurve,
    RemovalScore,
    Robustness,
)
from moodfuse.workflows.comparison.arms import Arm, Gathered, gather
from moodfuse.workflows.comparison.verdicts import Draws, judge

_NUMBERS = {3: "three", 4: "four", 5: "five"}
_RESAMPLES = 2000  # resamples of the arms without a verdict


def build_results(comparison: ComparisonFolder) -> ComparisonResults:
    """Build `results.json` from the finished cells, write it, and return it.

    Raises `DataError` if no model has a complete seed yet.
    """
    gathered = gather(comparison)
    missing, wanted = len(comparison.todo()), len(comparison.cells())
    judged = judge(gathered)
    damaged = read_record(comparison.robustness, DamagedScores) if comparison.robustness.is_file() else None
    results = ComparisonResults(
        format=FORMAT,
        finished=not missing,
        cells=CellCount(done=wanted - missing, wanted=wanted),
        posts=len(gathered.true),
        groups=len(set(gathered.groups)),
        folds=comparison.plan.folds,
        seeds=gathered.seeds,
        headlines=judged.headlines,
        notes=_notes(comparison, gathered),
        rows=_rows(gathered, judged.draws),
        best=judged.best,
        test=judged.test,
        verdicts=judged.verdicts,
        pairs=judged.pairs,
        calibration=[_calibration(gathered, arm) for arm in gathered.arms],
        robustness=Robustness(missing=_missing(comparison, gathered), damaged=damaged),
        cost=[_cost(gathered, arm) for arm in gathered.models],
    )
    write_record(comparison.results, results)
    return results


def _notes(comparison: ComparisonFolder, gathered: Gathered) -> list[str]:
    plan = comparison.plan
    notes = [f"{corpus.sentence()}." for corpus in plan.data.also_train]
    if comparison.judge.is_file():
        notes += read_record(comparison.judge, JudgeFacts).sentences()
    if left := comparison.todo():
        notes.append(f"{len(left)} of {len(comparison.cells())} cells are still to run; only complete seeds are shown.")
    if plan.validates_only:
        notes.append(
            f"No post was held out for a test: every score is on the {len(gathered.true)} validation posts, which also "
            "chose the epoch, the temperature and the settings. Such scores are too good, and are no test scores."
        )
    elif plan.folds < plan.cell_count:
        of = _NUMBERS[plan.cell_count]
        ran = f"One of {of} cells was run" if plan.folds == 1 else f"{plan.folds} of {of} cells were run"
        test = "it tests" if plan.folds == 1 else "they test"
        notes.append(f"{ran}: every score is on the {len(gathered.true)} posts that {test}, of {plan.data.posts}.")
    elif plan.folds != 5:
        notes.append(f"{plan.folds}-fold cross-validation: every post is tested once.")
    if len(gathered.seeds) == 1:
        notes.append(
            "One seed: the intervals say how much other posts could change a score, not how much another training "
            "could; --seeds 3 says both."
        )
    names = {arm.name for arm in gathered.models}
    for single, other in (("text", "image"), ("image", "text")):
        if single not in names and names - {other}:
            notes.append(f"{single} alone is not among the models: whether the {other} helps is not tested.")
    return notes


def _rows(gathered: Gathered, draws: Mapping[str, Draws]) -> list[ArmRow]:
    withheld = [arm for arm in gathered.arms if arm.withheld]
    by_arm = dict(draws)
    if withheld:
        drawn = gathered.resampler(withheld).draws(_RESAMPLES)
        by_arm |= {arm.name: {m: v[:, i] for m, v in drawn.items()} for i, arm in enumerate(withheld)}
    return [_row(gathered, arm, by_arm[arm.name]) for arm in gathered.arms]


def _row(gathered: Gathered, arm: Arm, draws: Draws) -> ArmRow:
    scores = [score(gathered.true, table, gathered.labels) for table in arm.probabilities]  # per seed
    cells = [_cell_scores(gathered, arm, fold) for fold in np.unique(gathered.folds)]  # per fold, each (S,)
    means = {
        name: _mean([getattr(seed_scores, name) for seed_scores in scores], draws[name], [cell[name] for cell in cells])
        for name in ("accuracy", "macro_f1", "weighted_f1")
    }
    metrics = [cell.metrics for cell in gathered.cells_of(arm.model)]
    return ArmRow(
        arm=arm.name,
        model=arm.model,
        reads=arm.reads,
        withheld=arm.withheld,
        seeds=gathered.seeds,
        accuracy=means["accuracy"],
        macro_f1=means["macro_f1"],
        weighted_f1=means["weighted_f1"],
        per_class={label: _label_row(label, scores, draws[f"f1_{label}"]) for label in gathered.labels.names},
        confusion=np.mean([seed_scores.confusion for seed_scores in scores], axis=0).tolist(),
        parameters=metrics[0].parameters,
        seconds=float(np.median([cell_metrics.seconds.cell for cell_metrics in metrics])),
    )


def _mean(values: Sequence[float], draws: np.ndarray, cells: Sequence[np.ndarray]) -> MeanScore:
    """Return the mean of a score over seeds; `draws`, (R,), give its interval, `cells`, each (S,), its spread."""
    low, high = percentiles(draws)
    trainings = np.concatenate(cells)
    return MeanScore(
        value=float(np.mean(values)),
        low=low,
        high=high,
        sd_seeds=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        sd_cells=float(np.std(trainings, ddof=1)) if len(trainings) > 1 else None,
    )


def _label_row(label: str, scores: Sequence[Scores], draws: np.ndarray) -> LabelRow:
    low, high = percentiles(draws)
    found = [seed_scores.per_class[label] for seed_scores in scores]
    return LabelRow(
        precision=float(np.mean([row.precision for row in found])),
        recall=float(np.mean([row.recall for row in found])),
        f1=float(np.mean([row.f1 for row in found])),
        low=low,
        high=high,
        support=found[0].support,
    )


def _cell_scores(gathered: Gathered, arm: Arm, fold: int) -> dict[str, np.ndarray]:
    here, size = gathered.folds == fold, len(gathered.labels)
    flat = gathered.true[here] * size + arm.probabilities[:, here].argmax(2)  # (S, n)
    counts = np.stack([np.bincount(row, minlength=size * size).reshape(size, size) for row in flat])
    return confusion_metrics(counts, gathered.labels)


def _calibration(gathered: Gathered, arm: Arm) -> ArmCalibration:
    """Return the calibration over the posts of all seeds: each probability is from a single training."""
    after = arm.probabilities.reshape(-1, len(gathered.labels))
    temperatures = gathered.temperatures(arm.model)
    before = softmax(logits_of(arm.probabilities) * temperatures).reshape(after.shape)
    true = np.tile(gathered.true, len(gathered.seeds))
    return ArmCalibration(
        arm=arm.name,
        ece=expected_calibration_error(after, true),
        ece_before=expected_calibration_error(before, true),
        temperatures=[cell.metrics.temperature for cell in gathered.cells_of(arm.model)],
        bins=[ReliabilityBin(**asdict(found)) for found in reliability(after.max(1), after.argmax(1) == true)],
    )


def _missing(comparison: ComparisonFolder, gathered: Gathered) -> list[RemovalCurve]:
    modalities = {model.name: model.modalities for model in comparison.plan.models}
    curves = []
    for arm in gathered.models:
        for modality in modalities.get(arm.model, []):  # a judge is asked about whole posts
            without = gathered.withheld(arm.model, modality)
            found = removal_curve(gathered.true, list(arm.probabilities), list(without), labels=gathered.labels)
            points = [RemovalScore(**asdict(point)) for point in found]
            curves.append(RemovalCurve(model=arm.model, removed=modality, points=points))
    return curves


def _cost(gathered: Gathered, arm: Arm) -> ModelCost:
    metrics = [cell.metrics for cell in gathered.cells_of(arm.model)]
    seconds = [cell_metrics.seconds.cell for cell_metrics in metrics]
    return ModelCost(
        model=arm.model,
        parameters=metrics[0].parameters,
        epoch=float(np.median([cell_metrics.seconds.epoch for cell_metrics in metrics])),
        cell=float(np.median(seconds)),
        total=float(np.sum(seconds)),
    )
