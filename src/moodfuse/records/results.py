"""`results.json` of a comparison and its `robustness.json`, as docs/comparison.md describes them."""

from __future__ import annotations

from pydantic import Field

from moodfuse.records.metrics import LabelScores
from moodfuse.records.record import Record, Whole


class MeanScore(Record):
    """The mean over seeds of a score, the ends of its 95 % interval, and standard deviations."""

    value: float
    low: float
    high: float
    sd_seeds: float | None = None
    sd_cells: float | None = None


class LabelRow(LabelScores):
    """One label's scores, means over seeds; `low` and `high` are the ends of F1's interval."""

    low: float
    high: float


class ArmRow(Record):
    """One arm: a model as it is, or with a modality withheld. `seconds` is the median of its model's cells."""

    arm: str
    model: str
    reads: str
    withheld: str | None
    seeds: list[int]
    accuracy: MeanScore
    macro_f1: MeanScore
    weighted_f1: MeanScore
    per_class: dict[str, LabelRow]
    confusion: list[list[float]]
    parameters: int
    seconds: float


class BestArm(Record):
    """The best of several models: its score, and what to expect of it on new posts (BBC-CV)."""

    arm: str
    candidates: int = Field(alias="of")
    metric: str
    value: float
    corrected: float
    low: float
    high: float
    #: the share of resamples in which each model would have been chosen
    chosen: dict[str, float]
    words: str


class CorrectedTests(Record):
    """The tests that were corrected for their number, and from how many resamples."""

    metric: str
    comparisons: int
    level: float
    resamples: int


class McNemarCounts(Record):
    """Posts that one of two models alone gets right; McNemar's exact p-value, and corrected."""

    only_a: int
    only_b: int
    p_exact: float
    p: float


class PairRow(Record):
    """Two models on the same posts, a less b: the paired bootstrap's p-value, and corrected."""

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p_bootstrap: float
    p: float
    mcnemar: McNemarCounts
    verdict: str


class VerdictRow(PairRow):
    """A difference that is stated in words. `kind`: against text, against image, or best."""

    kind: str
    words: str


class ReliabilityBin(Record):
    """Posts whose confidence lies in (low, high]: how sure they are on average, and how often right."""

    low: float
    high: float
    posts: int
    confidence: float
    accuracy: float


class ArmCalibration(Record):
    """An arm's expected calibration error, with and without the temperatures of its cells."""

    arm: str
    ece: float
    ece_before: float
    temperatures: list[float]
    bins: Whole[ReliabilityBin]


class RemovalScore(Record):
    """The scores expected when a share of all posts has lost a modality."""

    share: float
    accuracy: float
    macro_f1: float


class RemovalCurve(Record):
    """A model's scores as more and more posts lose the modality `removed`."""

    model: str
    removed: str
    points: Whole[RemovalScore]


class DamageScore(Record):
    """The scores at a level of damage, and the share of answers that differ from those on the undamaged posts."""

    level: float
    accuracy: float
    macro_f1: float
    changed: float


class DamageCurve(Record):
    """A model's scores as posts are damaged more and more; `unit` is what a level counts."""

    model: str
    damage: str
    modality: str
    unit: str
    points: Whole[DamageScore]


class DamagedScores(Record):
    """All of `robustness.json`: curves on a sample of damaged posts, with the heads of one seed."""

    posts: int
    ids: list[str] = Field([])
    seed: int
    curves: Whole[DamageCurve]


class Robustness(Record):
    missing: Whole[RemovalCurve] = Field([])
    damaged: DamagedScores | None = None


class ModelCost(Record):
    """What a model costs: weights that train; seconds of an epoch and of a cell (medians), and of all cells."""

    model: str
    parameters: int
    epoch: float
    cell: float
    total: float


class CellCount(Record):
    done: int
    wanted: int


class ComparisonResults(Record):
    """All of `results.json`."""

    format: int
    finished: bool
    cells: CellCount
    posts: int
    groups: int
    folds: int
    seeds: list[int]
    headlines: list[str]
    notes: list[str]
    rows: Whole[ArmRow]
    best: BestArm | None
    test: CorrectedTests
    verdicts: Whole[VerdictRow]
    pairs: Whole[PairRow]
    calibration: Whole[ArmCalibration]
    robustness: Robustness
    cost: Whole[ModelCost]
