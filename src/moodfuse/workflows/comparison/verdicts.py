"""The verdicts of a comparison: the best model, whether text and image both help, and which models do not differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moodfuse.evaluate.names import metric_name
from moodfuse.evaluate.selection import BestOf, best_of
from moodfuse.evaluate.verdicts import SINGLE, Pair, compare_pairs, enough_resamples, find_pair, spoken
from moodfuse.records.results import BestArm, CorrectedTests, McNemarCounts, PairRow, VerdictRow
from moodfuse.workflows.comparison.arms import Arm, Gathered

METRIC = "macro_f1"
_LEVEL = 0.05
_LISTED = 6  # most names in a sentence
#: The resamples (R,) of each score.
Draws = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Judged:
    """The results of the tests: headlines, the best model (`None` if there is a single model), verdicts and all pairs.

    `draws` has the resampled scores of each model, which give its intervals.
    """

    headlines: list[str]
    best: BestArm | None
    test: CorrectedTests
    verdicts: list[VerdictRow]
    pairs: list[PairRow]
    draws: Mapping[str, Draws]


def judge(gathered: Gathered) -> Judged:
    """Test all pairs of models as one family of tests. Arms with a modality withheld are not tested."""
    models = gathered.models
    names = [arm.name for arm in models]
    resampler = gathered.resampler(models)
    comparisons = len(names) * (len(names) - 1) // 2
    resamples = enough_resamples(comparisons)
    draws = resampler.draws(resamples)
    by_name = {name: {metric: drawn[:, i] for metric, drawn in draws.items()} for i, name in enumerate(names)}
    test = CorrectedTests(metric=METRIC, comparisons=comparisons, level=_LEVEL, resamples=resamples)
    if len(names) < 2:
        headline = f"Only {names[0]} was run: there is nothing to compare it with."
        return Judged([headline], None, test, [], [], by_name)
    probabilities = {arm.name: arm.probabilities.mean(0) for arm in models}
    pairs = compare_pairs(resampler, draws, probabilities, metric=METRIC, level=_LEVEL)
    best = best_of(resampler, names, metric=METRIC)
    rivals = [find_pair(pairs, best.name, other) for other in names if other != best.name]
    verdicts = [*_against_single(models, pairs), *(("best", pair) for pair in rivals)]
    return Judged(
        _headlines(best, rivals, verdicts),
        _best(best),
        test,
        [_verdict_row(kind, pair) for kind, pair in verdicts],
        [_pair_row(pair) for pair in pairs],
        by_name,
    )


def _against_single(models: Sequence[Arm], pairs: Sequence[Pair]) -> list[tuple[str, Pair]]:
    names, fusions = [arm.name for arm in models], [arm.name for arm in models if arm.reads == "both"]
    return [
        (f"against {single}", find_pair(pairs, fusion, single))
        for single in SINGLE
        if single in names
        for fusion in fusions
    ]


def _pair_row(pair: Pair) -> PairRow:
    drawn, counts = pair.bootstrap, pair.mcnemar
    return PairRow(
        a=pair.a,
        b=pair.b,
        metric=drawn.metric,
        difference=drawn.difference,
        low=drawn.low,
        high=drawn.high,
        p_bootstrap=drawn.p_value,
        p=pair.p,
        mcnemar=McNemarCounts(only_a=counts.only_a, only_b=counts.only_b, p_exact=counts.p_value, p=pair.mcnemar_p),
        verdict=pair.verdict,
    )


def _verdict_row(kind: str, pair: Pair) -> VerdictRow:
    return VerdictRow.model_validate({"kind": kind, **_pair_row(pair).as_json(), "words": pair.words()})


def _best(best: BestOf) -> BestArm:
    return BestArm(
        arm=best.name,
        candidates=len(best.chosen),
        metric=METRIC,
        value=best.value,
        corrected=best.corrected,
        low=best.low,
        high=best.high,
        chosen=best.chosen,
        words=_best_words(best),
    )


def _best_words(best: BestOf) -> str:
    value, corrected, low, high = (f"{100 * v:.1f}" for v in (best.value, best.corrected, best.low, best.high))
    return (
        f"{spoken(best.name)} scores highest of {len(best.chosen)}, {metric_name(METRIC)} {value}; corrected for "
        f"having been chosen as the best, expect {corrected} ({low} to {high}) on new posts"
    )


def _headlines(best: BestOf, rivals: Sequence[Pair], verdicts: Sequence[tuple[str, Pair]]) -> list[str]:
    lines = [_best_words(best)]
    for single, other in (("text", "image"), ("image", "text")):
        tested = [pair for kind, pair in verdicts if kind == f"against {single}"]
        if tested:
            lines.append(_helps(other, single, tested))
    equal = [pair.b for pair in rivals if pair.verdict == "cannot be told apart"]
    if equal:
        listed = ", ".join(equal[:_LISTED]) + (f" and {len(equal) - _LISTED} more" if len(equal) > _LISTED else "")
        lines.append(f"{spoken(best.name)} cannot be told apart here from {listed}")
    elif len(rivals) > 1:
        next_best = min(rivals, key=lambda pair: pair.bootstrap.difference)
        lines.append(f"{spoken(best.name)} beats every other model; the nearest: {next_best.words()}")
    elif rivals[0].words() not in lines[-1]:
        lines.append(rivals[0].words())
    return lines


def _helps(modality: str, single: str, tested: Sequence[Pair]) -> str:
    """Return a sentence on whether adding a modality to the other helps, by the fusion that gains most."""
    most = max(tested, key=lambda pair: pair.bootstrap.difference)
    winners = sum(pair.verdict == "beats" for pair in tested)
    if winners:
        return (
            f"the {modality} helps: {most.words()}"
            f"{f' ({winners} of {len(tested)} fusions do)' if len(tested) > 1 else ''}"
        )
    return f"the {modality} is not shown to help: no fusion beats {single} alone; {most.words()}"
