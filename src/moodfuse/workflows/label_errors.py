"""Likely label errors: labels that are least likely according to a model that was not trained on their posts.

Confident learning (Northcutt, Jiang & Chuang, JAIR 2021), as computed by `cleanlab`, from the out-of-fold probabilities
of a logistic regression on the frozen encoders' pooled features; near-duplicates are always in the same fold.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import get_args

import numpy as np

from moodfuse.config import Config, Modality
from moodfuse.data.audit.audit import LabelErrors, LabelIssue
from moodfuse.data.duplicates import Groups
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.errors import ConfigError
from moodfuse.labels import Labels
from moodfuse.progress import Progress, silent
from moodfuse.records.run import has_trained_encoders
from moodfuse.workflows.extras import require_training

FOLDS = 5
#: Inverse strength of the L2 penalty, for 1,664 features of some thousand posts: a weaker penalty makes the model more
#: confident in wrong answers, so that it doubts more labels.
PENALTY = 0.001
METHOD = (
    f"confident learning (cleanlab) on out-of-fold probabilities of a logistic regression, {FOLDS} folds, on frozen "
    "{text} and {image} features"
)


def find_label_errors(posts: Posts, groups: Groups, config: Config, progress: Progress = silent) -> LabelErrors:
    """Return the labels of `posts` (all labelled) that are likely wrong, the least likely first.

    The encoders are those of `config`, without training. Raises `DataError` if there are too few posts for the folds,
    `ConfigError` for an encoder that a run trained, `MissingExtraError` without the `train` extra.
    """
    require_training()
    for modality in get_args(Modality):
        names = config.model.encoders(modality)
        if any(has_trained_encoders(Path(name)) for name in names):
            raise ConfigError(
                f"model.{modality}: {' + '.join(names)}: an encoder that a run has trained may have seen the labels "
                "that are to be checked; name encoders that no run has trained"
            )
    labels = Labels(config.labels)
    split = make_split(posts, folds=FOLDS, seed=config.split.seed, groups=groups, labels=labels, settable=False)
    truth = np.array([labels.id(str(label)) for label in posts.labels])
    fold = np.array([split.folds[id] for id in posts.ids])
    probabilities = out_of_fold(_vectors(posts, config, progress), truth, fold, len(labels), progress)
    return _judge(posts, truth, probabilities, labels, config)


def out_of_fold(
    vectors: np.ndarray, truth: np.ndarray, fold: np.ndarray, classes: int, progress: Progress = silent
) -> np.ndarray:
    """Return the probabilities, (N, C), of each post from a model fitted on the other folds.

    `vectors` is (N, D); `truth` and `fold` are (N,). A class that is missing in the other folds gets probability 0.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(truth), classes))
    numbers = np.unique(fold)
    for done, held_out in enumerate(numbers):
        progress("judging labels", done, len(numbers))
        test = fold == held_out
        model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=500))
        model.fit(vectors[~test], truth[~test])
        probabilities[np.ix_(test, model.classes_)] = model.predict_proba(vectors[test])
    progress("judging labels", len(numbers), len(numbers))
    return probabilities


def _vectors(posts: Posts, config: Config, progress: Progress) -> np.ndarray:
    """Return the pooled features of all encoders, (N, D); missing features are the mean (0 once standardised)."""
    from moodfuse.learn.assembly import encoder_sources

    blocks = []
    for source in encoder_sources(config).values():
        features = source.features(posts, progress=progress)
        if not features.width:
            continue
        known = np.array([row["pooled"] for row in features.rows if row is not None])
        block = np.tile(known.mean(0), (len(posts), 1))  # (N, D)
        block[features.present] = known
        blocks.append(block)
    return np.hstack(blocks) if blocks else np.zeros((len(posts), 1))


def _judge(posts: Posts, truth: np.ndarray, probabilities: np.ndarray, labels: Labels, config: Config) -> LabelErrors:
    from cleanlab.count import compute_confident_joint, estimate_joint
    from cleanlab.filter import find_label_issues

    clipped = probabilities.clip(1e-9)
    clipped /= clipped.sum(1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about classes without an issue
        joint = estimate_joint(truth, clipped, confident_joint=compute_confident_joint(truth, clipped))
        order = find_label_issues(truth, clipped, return_indices_ranked_by="self_confidence", n_jobs=1)
    suggested = clipped.argmax(1)
    issues = tuple(
        LabelIssue(
            posts[int(i)].id,
            labels.names[truth[i]],
            labels.names[suggested[i]],
            float(clipped[i, suggested[i]]),
            float(clipped[i, truth[i]]),
        )
        for i in order
        if suggested[i] != truth[i]
    )
    encoders = {modality: " + ".join(config.model.encoders(modality)) for modality in get_args(Modality)}
    return LabelErrors(
        accuracy=float((suggested == truth).mean()),
        noise=float(1 - np.trace(joint)),
        issues=issues,
        method=METHOD.format(**encoders),
    )
