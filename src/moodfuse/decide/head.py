"""A small head over a bundle's vectors and answers, fitted on few labels and held to the answers that there were.

logits = log-probabilities of the bundle + bias + log-probabilities A + vectors V. Multinomial logistic regression with
a Gaussian prior of mean 0 over bias, A and V: with endless strength it is the bundle's own head. For labels that the
bundle does not know, the first term is left out. Vectors are centred and seen along their principal axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moodfuse.config import Modality
from moodfuse.decide.encoded_posts import Array, Vectors
from moodfuse.errors import MissingExtraError
from moodfuse.evaluate.logits import log_softmax

try:
    from scipy.optimize import minimize
    from sklearn.decomposition import PCA
except ImportError as error:
    raise MissingExtraError(
        "adapting needs scikit-learn, which is not installed; pip install 'moodfuse[adapt]'"
    ) from error

#: Principal axes of each modality's vectors: more gained nothing on 200 to 1,000 posts, and take longer.
AXES = 64
#: When L-BFGS stops: far below what changes an answer.
_ENOUGH = {"maxiter": 300, "ftol": 1e-7}
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strength:
    """How strongly weights are held to 0: the precision of their prior, by what they weigh; `None`: they are 0."""

    #: the bias and the bundle's log-probabilities
    answers: float | None
    vectors: float | None


#: The head as it was.
NO_CHANGE = Strength(None, None)


@dataclass(frozen=True, slots=True)
class Projection:
    """Vectors (N, D) less `mean` (D,) along `axes` (D, K), so scaled that their mean square length is 1 at most."""

    mean: Array
    axes: Array

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Projection:
        """Return the projection onto the principal axes of vectors (N, D); onto none where there are fewer than two."""
        width = vectors.shape[1]
        if len(vectors) < 2 or np.ptp(vectors, axis=0).max() == 0:
            return cls(np.zeros(width), np.zeros((width, 0)))
        rows = vectors.astype(np.float64)
        found = PCA(min(AXES, len(rows) - 1, width), random_state=0).fit(rows)
        spread = float(((rows - found.mean_) ** 2).sum(1).mean())
        return cls(found.mean_, found.components_.T / np.sqrt(spread))


@dataclass(frozen=True, slots=True)
class HeadInputs:
    """What of posts a head is fitted on: their answers and, by modality, their projected vectors."""

    projections: Mapping[Modality, Projection]

    @classmethod
    def of(cls, posts: Vectors) -> HeadInputs:
        """Return the inputs whose projections suit these posts."""
        return cls({m: Projection.of(pooled[posts.present[m]]) for m, pooled in posts.pooled.items()})

    def answers(self, posts: Vectors) -> Array:
        """Return 1 and the log-probabilities less their mean over the labels, (N, 1 + C)."""
        return np.hstack([np.ones((len(posts), 1)), posts.logs - posts.logs.mean(1, keepdims=True)])

    def vectors(self, posts: Vectors) -> Array:
        """Return the projected vectors of all modalities, (N, K), 0 where there is none."""
        parts = [
            (posts.pooled[m] - one.mean) @ one.axes * posts.present[m][:, None] for m, one in self.projections.items()
        ]
        return np.hstack([np.zeros((len(posts), 0)), *parts])


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A fitted head for C labels over a bundle that answers with B labels."""

    #: whether the bundle's log-probabilities are what it starts from
    onto_old: bool
    bias: Array  # (C,)
    of_logs: Array  # (B, C)
    #: by modality: weights (D, C) of its vectors, and what is added to them where it is present (C,)
    of_vectors: dict[Modality, tuple[Array, Array]]

    def logits(self, posts: Vectors) -> Array:
        """Return logits (N, C)."""
        logits = self.bias + posts.logs @ self.of_logs
        for modality, (weights, offset) in self.of_vectors.items():
            logits = logits + (posts.pooled[modality] @ weights + offset) * posts.present[modality][:, None]
        return logits + posts.logs if self.onto_old else logits


@dataclass(frozen=True, slots=True)
class Labelled:
    """N posts with a label and their groups of near-duplicates."""

    posts: Vectors
    true: Ids  # (N,)
    groups: Ids  # (N,)
    #: how many labels there are
    labels: int
    #: whether these are the bundle's own labels
    onto_old: bool

    def take(self, rows: NDArray[Any]) -> Labelled:
        """Return some of the posts, by their places or by a mask (N,)."""
        return Labelled(self.posts.take(rows), self.true[rows], self.groups[rows], self.labels, self.onto_old)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Labelled posts as a head is fitted on them, or tested."""

    inputs: HeadInputs
    answers: Array  # (N, 1 + B)
    vectors: Array  # (N, K)
    start: Array  # (N, C): the logits of a head whose weights are 0
    true: Ids  # (N,)
    onto_old: bool

    @classmethod
    def of(cls, labelled: Labelled, inputs: HeadInputs | None = None) -> Lesson:
        """Return the lesson of labelled posts, read as they suit or as `inputs` does."""
        posts, inputs = labelled.posts, inputs or HeadInputs.of(labelled.posts)
        start = posts.logs if labelled.onto_old else np.zeros((len(posts), labelled.labels))
        return cls(inputs, inputs.answers(posts), inputs.vectors(posts), start, labelled.true, labelled.onto_old)

    def columns(self, strength: Strength) -> tuple[Array, Array]:
        """Return what is weighed at all, (N, P), and how strongly each weight is held to 0, (P, 1)."""
        parts = [(self.answers, strength.answers), (self.vectors, strength.vectors)]
        weighed = [(part, held) for part, held in parts if held is not None]
        held = [np.full(part.shape[1], held) for part, held in weighed]
        none = np.zeros((len(self.true), 0))
        return np.hstack([none, *(part for part, _ in weighed)]), np.concatenate([np.zeros(0), *held])[:, None]

    def fit(self, strength: Strength) -> Array:
        """Return the likeliest weights (P, C), in the order of `columns`."""
        columns, held = self.columns(strength)
        size = (columns.shape[1], self.start.shape[1])
        if not columns.shape[1]:
            return np.zeros(size)
        wanted = np.eye(size[1])[self.true]

        def loss(flat: Array) -> tuple[float, Array]:
            weights = flat.reshape(size)
            logs = log_softmax(self.start + columns @ weights)
            slope = columns.T @ (np.exp(logs) - wanted) + held * weights
            return float((held * weights**2).sum() / 2 - (wanted * logs).sum()), slope.ravel()

        found = minimize(loss, np.zeros(size).ravel(), jac=True, method="L-BFGS-B", options=_ENOUGH)
        return np.asarray(found.x).reshape(size)

    def loss(self, strength: Strength, weights: Array) -> float:
        """Return the sum of the negative log-likelihoods that weights give the labels of these posts."""
        logs = log_softmax(self.start + self.columns(strength)[0] @ weights)
        return -float(logs[np.arange(len(self.true)), self.true].sum())

    def head(self, strength: Strength) -> LinearHead:
        """Fit, and return the head, which reads vectors as they come."""
        weights, labels = self.fit(strength), self.start.shape[1]
        of_answers, of_vectors = np.zeros((self.answers.shape[1], labels)), np.zeros((self.vectors.shape[1], labels))
        if strength.answers is not None:
            of_answers, weights = weights[: len(of_answers)], weights[len(of_answers) :]
        if strength.vectors is not None:
            of_vectors = weights
        by_modality: dict[Modality, tuple[Array, Array]] = {}
        for modality, one in self.inputs.projections.items():
            mine, of_vectors = of_vectors[: one.axes.shape[1]], of_vectors[one.axes.shape[1] :]
            by_modality[modality] = (one.axes @ mine, -one.mean @ one.axes @ mine)
        of_logs = of_answers[1:] - of_answers[1:].mean(0)  # takes the mean over the labels off the log-probabilities
        return LinearHead(self.onto_old, of_answers[0], of_logs, by_modality)
