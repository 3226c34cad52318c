"""Whether an adapted head is better than the one that it was made from, on posts that it has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moodfuse.decide.encoded_posts import Array
from moodfuse.decide.fitting import FOLDS, SHARES
from moodfuse.decide.head import Ids, Labelled
from moodfuse.evaluate.calibration import expected_calibration_error
from moodfuse.evaluate.intervals import PairedDifference, paired_difference, percentiles
from moodfuse.evaluate.metrics import confusion_metrics
from moodfuse.evaluate.resampling import Resampler, System
from moodfuse.labels import Labels
from moodfuse.records.metrics import EstimatedScores, LabelScores

#: The metric that decides, and the chance of a wrong "better" that is taken.
METRIC, LEVEL = "accuracy", 0.05
_RESAMPLES = 2_000
#: The least share of answers that differ, for how wide the interval of a difference will be.
_CHANGED = 0.05
#: Multiples of the labels that are thought of where it is said how many would do.
_TIMES = (1.25, 1.5, 2, 2.5, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Scores on the same posts of the head that there was and of the adapted one, and the paired differences.

    For labels that the bundle does not know, "before" is the most frequent one, always answered.
    """

    before: EstimatedScores
    after: EstimatedScores
    differences: dict[str, PairedDifference]

    @property
    def difference(self) -> PairedDifference:
        """The difference in the metric that decides."""
        return self.differences[METRIC]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON holds it."""
        differences = {name: asdict(one) for name, one in self.differences.items()}
        return {"before": self.before.as_json(), "after": self.after.as_json(), "differences": differences}


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy on posts not seen by the number of labels that a head was fitted on, and what it says of more."""

    #: four fifths of a part of the labels: the last fifth is answered
    fitted: tuple[int, ...]
    accuracy: tuple[float, ...]
    #: b of accuracy = a - b / sqrt(fitted), the line that fits best
    slope: float
    #: what twice the labels would add to accuracy, and its 95 % interval
    twice: tuple[float, float, float]

    def gain(self, times: float) -> float:
        """Return what so many times the labels would add to accuracy."""
        return float(self.slope * self.fitted[-1] ** -0.5 * (1 - times**-0.5))


def compare_heads(true: Ids, before: Array, after: Array, groups: Ids, labels: Labels) -> BeforeAfter:
    """Compare probabilities for the same posts, (R, N, C) each: R times cross-validated, or once.

    The bootstrap resamples groups of near-duplicates, and of several cross-validations those too.
    """
    systems = {"before": System(before.argmax(2), "before"), "after": System(after.argmax(2), "after")}
    resampler = Resampler(true, systems, labels=labels, groups=groups.tolist())
    observed, drawn = resampler.observed(), resampler.draws(_RESAMPLES)
    differences = {
        name: paired_difference(name, float(values[1] - values[0]), drawn[name][:, 1] - drawn[name][:, 0])
        for name, values in observed.items()
    }
    scores = [
        _scores(
            true,
            given,
            labels,
            {name: value[at] for name, value in observed.items()},
            {name: value[:, at] for name, value in drawn.items()},
        )
        for at, given in enumerate((before, after))
    ]
    return BeforeAfter(scores[0], scores[1], differences)


def draw_curve(labelled: Labelled, answers: dict[float, Array]) -> Curve:
    """Return the learning curve of out-of-fold logits (R, N, C), by the share of the labels that they were fitted on.

    The line is a - b / sqrt(labels), by least squares; the interval resamples groups of near-duplicates.
    """
    fitted = len(labelled.true) * (FOLDS - 1) / FOLDS * np.array(SHARES)
    right = np.stack([(answers[share].argmax(2) == labelled.true).mean(0) for share in SHARES])  # (sizes, N)
    fall = fitted**-0.5 - (fitted**-0.5).mean()
    slopes = -(fall / (fall**2).sum()) @ right  # (N,): their mean is the slope of accuracy over -1 / sqrt(fitted)
    members = np.unique(labelled.groups, return_inverse=True)[1]
    sums, counts = np.bincount(members, weights=slopes), np.bincount(members)
    draws = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), _RESAMPLES)
    step = fitted[-1] ** -0.5 * (1 - 2**-0.5)
    low, high = percentiles((draws @ sums) / (draws @ counts) * step)
    slope = float(slopes.mean())
    return Curve(tuple(map(round, fitted)), tuple(map(float, right.mean(1))), slope, (slope * step, low, high))


def more_labels(curve: Curve, difference: PairedDifference, labels: int) -> int | None:
    """Return about how many more than so many labels would prove a gain; `None` where five times as many won't."""
    half = max((difference.high - difference.low) / 2, 1.96 * (_CHANGED / labels) ** 0.5)
    for times in _TIMES:
        if difference.difference + curve.gain(times) > half * times**-0.5:
            more = (times - 1) * labels
            return max(10, int(round(more, -1 if more < 1_000 else -2)))
    return None


def _scores(
    true: Ids, probabilities: Array, labels: Labels, observed: dict[str, NDArray[Any]], drawn: dict[str, NDArray[Any]]
) -> EstimatedScores:
    """Return the scores of probabilities (R, N, C), means over R."""
    size = len(labels)
    counts = [np.bincount(true * size + guess, minlength=size * size) for guess in probabilities.argmax(2)]
    confusion = np.mean(counts, axis=0).reshape(size, size)
    right, support, named = np.diagonal(confusion), confusion.sum(1), confusion.sum(0)
    f1 = confusion_metrics(confusion, labels)
    per_class = {
        name: LabelScores(
            precision=float(right[at] / named[at]) if named[at] else 0.0,
            recall=float(right[at] / support[at]) if support[at] else 0.0,
            f1=float(f1[f"f1_{name}"]),
            support=int(support[at]),
        )
        for at, name in enumerate(labels.names)
    }
    intervals = {name: percentiles(values) for name, values in drawn.items()}
    return EstimatedScores(
        n=len(true),
        accuracy=float(observed["accuracy"]),
        macro_f1=float(observed["macro_f1"]),
        weighted_f1=float(observed["weighted_f1"]),
        per_class=per_class,
        confusion=confusion.tolist(),
        intervals={name: (round(low, 6), round(high, 6)) for name, (low, high) in intervals.items()},
        calibration_error=float(np.mean([expected_calibration_error(given, true) for given in probabilities])),
    )
