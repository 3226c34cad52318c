"""`metrics.json` of a run: its scores, how they came about, and what was trained. docs/protocol.md says what counts."""

from __future__ import annotations

from pydantic import Field

from moodfuse.records.record import Number, Record


class LabelScores(Record):
    """One label's precision, recall and F1, and how many posts have it."""

    precision: float
    recall: float
    f1: float
    support: int


class EstimatedScores(Record):
    """The scores of predictions for n posts, each with its interval.

    `confusion` has the truth in its rows; of several seeds it is their mean. `intervals` are named as `values` names
    the scores.
    """

    n: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    per_class: dict[str, LabelScores]
    confusion: list[list[Number]]
    intervals: dict[str, tuple[float, float]]
    #: standard deviations over seeds, of cross-validated scores
    sd_seeds: dict[str, float | None] = Field({})
    calibration_error: float
    #: posts that were left out, for the bundle's training had seen them
    seen_in_training: int = 0

    def values(self) -> dict[str, float]:
        """Return every score: accuracy, macro_f1, weighted_f1 and each f1_LABEL."""
        overall = {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "weighted_f1": self.weighted_f1}
        return overall | {f"f1_{label}": one.f1 for label, one in self.per_class.items()}


class ReviewShares(Record):
    """The review threshold: which share of the posts lies below, and how often the answers on each side are right."""

    threshold: float
    share: float
    accuracy_below: float | None
    accuracy_above: float | None


class ValidationScores(EstimatedScores):
    """Scores on the posts that chose epoch, temperature and review threshold: no scores to report."""

    review: ReviewShares


class Protocol(Record):
    """How the scores came about: in words, and how many posts trained, validated and tested."""

    test: str
    validation: str | None = None
    calibration: str | None = None
    intervals: str
    split_sha256: str | None = None
    split_origin: str | None = None
    #: of a cross-validation
    seeds: int = 1
    train: int
    validates: int = Field(alias="validate")
    held_out: int
    #: of a split that was given: groups of near-duplicates that stand on several of its sides
    duplicate_groups_across: int = 0


class TrainingFacts(Record):
    """What was trained; `best_epoch` counts from 1, `parameters` are those that trained."""

    fusion: str
    regime: str
    seed: int
    best_epoch: int
    epochs: int
    parameters: int


class BundleFacts(Record):
    """The bundle's temperature, and the largest differences between PyTorch and ONNX."""

    temperature: float
    parity: dict[str, float] = Field({})


class RunMetrics(Record):
    """All of `metrics.json`.

    A run that holds posts out has `validation`, and `test_text_only` and `test_image_only` where it reads both. A run
    that trains on every post has `review`; its `test` is the cross-validation of its recipe.
    """

    test: EstimatedScores
    validation: ValidationScores | None = None
    review: ReviewShares | None = None
    protocol: Protocol
    training: TrainingFacts
    bundle: BundleFacts
    test_text_only: EstimatedScores | None = None
    test_image_only: EstimatedScores | None = None

    @property
    def alone(self) -> dict[str, EstimatedScores]:
        """The scores of the same model given one modality alone, by modality; empty where it reads but one."""
        found = {"text": self.test_text_only, "image": self.test_image_only}
        return {modality: scores for modality, scores in found.items() if scores}

    @property
    def reviewed(self) -> ReviewShares | None:
        """The review threshold, whichever posts set it."""
        return self.review or (self.validation.review if self.validation else None)
