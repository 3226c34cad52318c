"""`metrics.json` of a run: its scores, how they were computed, and what was trained. See docs/protocol.md."""

from __future__ import annotations

from pydantic import Field

from moodfuse.records.configuration import TrainedAlong
from moodfuse.records.record import Number, Record


class LabelScores(Record):
    """A label's precision, recall and F1, and the number of posts that have it."""

    precision: float
    recall: float
    f1: float
    support: int


class EstimatedScores(Record):
    """The scores of predictions for n posts, each with its interval.

    The rows of `confusion` are the true labels; with several seeds it is the mean. `intervals` has the same keys as
    `values`.
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
    #: posts that were left out because the bundle's training had seen them
    seen_in_training: int = 0

    def values(self) -> dict[str, float]:
        """Return every score: accuracy, macro_f1, weighted_f1 and each f1_LABEL."""
        overall = {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "weighted_f1": self.weighted_f1}
        return overall | {f"f1_{label}": scores.f1 for label, scores in self.per_class.items()}


class ReviewShares(Record):
    """The review threshold: the share of the posts below it, and the accuracy on each side."""

    threshold: float
    share: float
    accuracy_below: float | None
    accuracy_above: float | None


class ValidationScores(EstimatedScores):
    """Scores on the posts that chose epoch, temperature and review threshold: not to be reported."""

    review: ReviewShares


class Protocol(Record):
    """How the scores were computed, in words, and how many posts trained, validated and tested."""

    test: str
    validation: str | None = None
    calibration: str | None = None
    intervals: str
    split_sha256: str | None = None
    split_origin: str | None = None
    #: seeds of a cross-validation
    seeds: int = 1
    train: int
    validates: int = Field(alias="validate")
    held_out: int
    #: groups of near-duplicates that are on several sides of a given split
    duplicate_groups_across: int = 0
    #: corpora that trained along and were never tested on
    also_train: list[TrainedAlong] = Field([])


class TrainingFacts(Record):
    """What was trained; `best_epoch` counts from 1, `parameters` counts the weights that trained."""

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


#: The protocol of a run without test posts.
VALIDATION_ONLY = (
    "no post was held out for a test: these posts also chose the epoch, the temperature and the review threshold, so "
    "the scores are too good, and are no test scores"
)


class RunMetrics(Record):
    """All of `metrics.json`.

    A run that holds posts out has `validation`, and with both modalities also `test_text_only` and `test_image_only`.
    A run that trains on every post has `review`; its `test` is the cross-validation of its recipe. With
    `split.validation` no post is held out, and `test` is missing.
    """

    test: EstimatedScores | None = None
    validation: ValidationScores | None = None
    review: ReviewShares | None = None
    protocol: Protocol
    training: TrainingFacts
    bundle: BundleFacts
    test_text_only: EstimatedScores | None = None
    test_image_only: EstimatedScores | None = None

    @property
    def scored(self) -> EstimatedScores:
        """The scores that there are: the test's or, without a test, those of the validation posts."""
        found = self.test or self.validation
        assert found is not None  # every run has one of them
        return found

    @property
    def alone(self) -> dict[str, EstimatedScores]:
        """The scores of the same model given one modality alone, by modality; empty for a model of one modality."""
        found = {"text": self.test_text_only, "image": self.test_image_only}
        return {modality: scores for modality, scores in found.items() if scores}

    @property
    def reviewed(self) -> ReviewShares | None:
        """The review threshold, no matter which posts set it."""
        return self.review or (self.validation.review if self.validation else None)
