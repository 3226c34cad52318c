"""Evaluate a bundle on labelled posts: scores with intervals, predicted by the `Predictor`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from moodfuse.config import Modality
from moodfuse.data.digests import post_digests
from moodfuse.data.duplicates import Groups, group_duplicates, known
from moodfuse.data.posts import Posts
from moodfuse.errors import BundleError, ConfigError, DataError, in_a_line, suggest
from moodfuse.evaluate.calibration import expected_calibration_error
from moodfuse.evaluate.intervals import bootstrap_intervals
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.progress import Progress
from moodfuse.records.metrics import EstimatedScores
from moodfuse.runtime.predictor import Prediction, Predictor

SEEN = "seen.json"  # in a bundle: digests of the posts that training and model selection saw
NEAR = "near.json"  # in a bundle: the marks of those posts, by which their near-duplicates are known


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions for labelled posts, and their scores."""

    posts: Posts
    predictions: list[Prediction]
    scores: EstimatedScores

    def rows(self) -> list[dict[str, str | float | None]]:
        """Return a row for each post: id, label, prediction, probabilities, status."""
        return [
            {"id": post.id, "label": post.label, "predicted": prediction.label, "confidence": prediction.confidence}
            | {f"p_{name}": value for name, value in prediction.probabilities.items()}
            | {"status": "|".join(prediction.status)}
            for post, prediction in zip(self.posts, self.predictions, strict=True)
        ]


def run_predictor(
    predictor: Predictor,
    posts: Posts,
    progress: Progress | None = None,
    what: str = "predicting",
    *,
    only: Modality | None = None,
) -> list[Prediction]:
    """Predict all of `posts` and report progress; `only` withholds the other modality."""
    predictions = []
    for prediction in predictor.stream(post.only(only) for post in posts):
        predictions.append(prediction)
        if progress:
            progress(what, len(predictions), len(posts))
    return predictions


def evaluate_posts(
    predictor: Predictor,
    posts: Posts,
    *,
    groups: Groups | None = None,
    only: Modality | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score the labelled posts of `posts`; intervals resample whole groups of near-duplicates.

    `only` withholds the other modality from every post. Raises `ConfigError` if the bundle does not read `only`, and
    `DataError` if no post has a label, or a label is unknown to the bundle.
    """
    if only and only not in predictor.manifest.modalities:
        reads = " and ".join(predictor.manifest.modalities)
        raise ConfigError(f"expected {reads}, which is all that the bundle reads, found {only}")
    posts = posts.labelled()
    if not len(posts):
        raise DataError(f"{posts.source}: no post has a label; scores need labelled posts")
    for post in posts:
        if post.label not in predictor.labels.names:
            raise DataError(
                f"{posts.source}: post {post.id!r}: {suggest(str(post.label), predictor.labels.names, what='label')}"
            )
    groups = groups or group_duplicates(posts)
    predictions = run_predictor(predictor, posts, progress, "evaluating", only=only)
    return Evaluation(posts, predictions, score_predictions(posts, predictions, predictor.labels, groups))


def score_predictions(posts: Posts, predictions: list[Prediction], labels: Labels, groups: Groups) -> EstimatedScores:
    """Return scores, 95 % intervals and calibration error."""
    true = np.array([labels.id(str(label)) for label in posts.labels])
    probabilities = np.array([list(prediction.probabilities.values()) for prediction in predictions])  # (N, C)
    intervals = bootstrap_intervals(true, probabilities, labels=labels, groups=[groups.group_of[i] for i in posts.ids])
    return EstimatedScores(
        **asdict(score(true, probabilities, labels)),
        intervals={name: (round(low, 6), round(high, 6)) for name, (low, high) in intervals.items()},
        calibration_error=expected_calibration_error(probabilities, true),
    )


def split_seen(predictor: Predictor, posts: Posts, groups: Groups) -> tuple[Posts, int]:
    """Return the posts that the bundle's training did not see, and the number that it saw, near-duplicates included.

    `groups` are those of the posts. A bundle without a record of its training posts (an older or foreign bundle) counts
    as having seen none, and an older one knows no near-duplicates.
    """
    if SEEN not in predictor.manifest.files:
        return posts, 0
    parts = read_seen(predictor.bundle.path(SEEN))
    digests, seen = post_digests(posts), parts["train"] | parts["validation"]
    if NEAR in predictor.manifest.files:
        parts = read_seen(predictor.bundle.path(NEAR))
        near = known(groups.marks, parts["train"] | parts["validation"])
    else:
        near = set()
    fresh = posts.subset([post.id for post in posts if digests[post.id] not in seen and post.id not in near])
    return fresh, len(posts) - len(fresh)


def read_seen(path: Path) -> dict[str, set[str]]:
    """Return what `SEEN` or `NEAR` holds of the posts that training and model selection saw, by part.

    Raises `BundleError` for a file that holds something else.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        return {part: {str(digest) for digest in raw[part]} for part in ("train", "validation")}
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise BundleError(f"{path}: is no record of training posts ({in_a_line(error)}); export it again") from None


def evaluate_unseen(
    predictor: Predictor, posts: Posts, *, only: Modality | None = None, progress: Progress | None = None
) -> Evaluation:
    """Score the posts that the bundle was not trained or selected on. Raises `DataError` if none is left."""
    posts = posts.labelled()
    groups = group_duplicates(posts)
    fresh, seen = split_seen(predictor, posts, groups)
    if seen and not len(fresh):
        raise DataError(
            f"{posts.source}: the bundle was trained on all {seen} of these posts, or on near-duplicates; a score on "
            "them has no meaning"
        )
    result = evaluate_posts(predictor, fresh, groups=groups, only=only, progress=progress)
    scores = result.scores.model_copy(update={"seen_in_training": seen})
    return Evaluation(result.posts, result.predictions, scores)
