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
    """A label's scores, means over seeds; `low` and `high` are the ends of the interval of F1."""

    low: float
    high: float


class ArmRow(Record):
    """An arm: a model, with or without a modality withheld. `seconds` is the median over the model's cells."""

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

    def overall(self) -> dict[str, MeanScore]:
        """Return the scores over all posts, by name."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "weighted_f1": self.weighted_f1}


class BestArm(Record):
    """The best of several models: its score, and the score to expect on new posts (BBC-CV)."""

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
    """The tests: how many were corrected for their number, at which level, and from how many resamples."""

    metric: str
    comparisons: int
    level: float
    resamples: int


class McNemarCounts(Record):
    """Posts that only one of two models gets right; McNemar's p-value, exact and corrected."""

    only_a: int
    only_b: int
    p_exact: float
    p: float


class PairRow(Record):
    """Two models on the same posts, a minus b; `p` is the corrected p-value of the paired bootstrap."""

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
    """A difference with its sentence. `kind`: against text, against image, or best."""

    kind: str
    words: str


class ReliabilityBin(Record):
    """Posts whose confidence is in (low, high]: their mean confidence and their accuracy."""

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
    """The expected scores when a share of all posts has lost a modality."""

    share: float
    accuracy: float
    macro_f1: float


class RemovalCurve(Record):
    """A model's scores for growing shares of posts that lose the modality `removed`."""

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
    """A model's scores for growing levels of damage; `unit` is the unit of a level."""

    model: str
    damage: str
    modality: str
    unit: str
    points: Whole[DamageScore]


class DamagedScores(Record):
    """All of `robustness.json`: curves on a sample of damaged posts, with the heads of a single seed."""

    posts: int
    ids: list[str] = Field([])
    seed: int
    curves: Whole[DamageCurve]


class Robustness(Record):
    missing: Whole[RemovalCurve] = Field([])
    damaged: DamagedScores | None = None


class ModelCost(Record):
    """The cost of a model: weights that train; seconds per epoch and per cell (medians), and of all cells."""

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
