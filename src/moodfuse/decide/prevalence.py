"""How often each label is among posts, estimated from their answers: counting answers is biased.

A model is tested on one mix of labels and used on another. What stays is how the posts of a label are answered; so the
shares are those that make the counts of answers likeliest, given how held-out posts of each label were answered. They
are found by expectation maximisation: Saerens, Latinne, Decaestecker (2002), Adjusting the outputs of a classifier to
new a priori probabilities, with a post's answer (label and band of confidence) in the place of the post.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moodfuse.runtime.confusion import Confusion

Array = NDArray[np.float64]
#: Resamples of posts and of held-out posts that give an interval.
RESAMPLES = 500
_BLOCK = 100_000  # mixtures that are estimated together
_TOLERANCE, _STEPS = 1e-6, 300
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of each label in each group: estimates (G, C), and what resampling makes of them (B, G, C)."""

    values: Array
    draws: Array

    @property
    def bounds(self) -> Array:
        """The ends of the 95 % intervals, (2, G, C)."""
        ends = np.quantile(self.draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
        return np.asarray(ends, dtype=np.float64)


def corrected_shares(
    counts: Mapping[str, NDArray[np.int64]],
    confusion: Mapping[str, Confusion],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Shares:
    """Return the shares of the labels in G groups of posts, with each group's posts and the held-out ones resampled.

    `counts`: by what was read of the posts (a key of `confusion`), how many of each group got each answer, (G, K).
    All groups share a resample's held-out posts: what is uncertain about the model drops out of their differences.
    A group without posts gets NaN.
    """
    generator = np.random.default_rng(seed)
    kinds = list(counts)
    tables = {kind: np.array(confusion[kind].counts, dtype=np.float64) for kind in kinds}  # (C, K)
    sizes = np.array([counts[kind].sum(1) for kind in kinds], dtype=np.float64)  # (S, G)
    values = _weighted([mixture_shares(counts[kind], answer_rates(tables[kind])) for kind in kinds], sizes)
    drawn_rates = {kind: answer_rates(_resampled(tables[kind], resamples, generator)) for kind in kinds}  # (B, C, K)
    joined = np.concatenate([counts[kind] for kind in kinds], axis=1)  # (G, sum of K)
    ends = np.cumsum([counts[kind].shape[1] for kind in kinds])[:-1]
    draws = np.empty((resamples, *values.shape))
    block = max(1, _BLOCK // resamples)
    for start in range(0, len(joined), block):
        part = joined[start : start + block]
        total = part.sum(1)
        chances = (part + 1e-12) / (part + 1e-12).sum(1, keepdims=True)
        drawn = generator.multinomial(total, chances, size=(resamples, len(part)))  # (B, g, sum of K)
        pieces = np.split(drawn, ends, axis=2)
        estimates = [
            _drawn_shares(piece, drawn_rates[kind]) for kind, piece in zip(kinds, pieces, strict=True)
        ]  # each (B, g, C)
        draws[:, start : start + block] = _weighted(estimates, np.array([piece.sum(2) for piece in pieces], float))
    return Shares(values, draws)


def uncorrected_shares(
    sums: Array, products: Array, posts: NDArray[np.int64], *, resamples: int = RESAMPLES, seed: int = 0
) -> Shares:
    """Return mean probabilities, for answers of a model of which no held-out answers are known.

    They are right where the probabilities are, that is on posts with the labels' mix that the model was trained on.
    `sums`: of the probabilities, (G, C), `products`: of their products, (G, C, C), `posts`: (G,). The means of
    resampled posts are drawn from the normal distribution that they tend to.
    """
    generator = np.random.default_rng(seed)
    count = np.maximum(posts, 1).astype(np.float64)
    values = np.where(posts[:, None] > 0, sums / count[:, None], np.nan)
    means = np.nan_to_num(values)
    spread = products / count[:, None, None] - means[:, :, None] * means[:, None, :]
    scale, axes = np.linalg.eigh(spread / count[:, None, None])
    roots = axes * np.sqrt(np.maximum(scale, 0))[:, None, :]  # (G, C, C)
    luck = generator.standard_normal((resamples, *sums.shape))
    drawn = np.maximum(means + np.einsum("gij,bgj->bgi", roots, luck), 0)
    total = drawn.sum(2, keepdims=True)
    return Shares(values, np.where(posts[:, None] > 0, drawn / np.where(total > 0, total, 1), np.nan))


def answer_rates(counts: Array) -> Array:
    """Return how often each answer is given to posts of each label, (..., C, K), from counts of the same shape.

    Half a post is spread over each label's answers as all held-out posts were answered: no answer is impossible.
    """
    pooled = counts.sum(-2, keepdims=True) + 1e-3
    smooth = counts + 0.5 * pooled / pooled.sum(-1, keepdims=True)
    return np.asarray(smooth / smooth.sum(-1, keepdims=True), dtype=np.float64)


def mixture_shares(counts: NDArray[np.int64], rates: Array) -> Array:
    """Return the likeliest shares of the labels (N, C) for counts of answers (N, K); NaN where there are none.

    `rates`: (C, K), or (N, C, K). The steps of expectation maximisation are lengthened by SQUAREM (Varadhan, Roland
    2008), which leads to the same shares in a tenth of the steps.
    """
    number, labels = len(counts), rates.shape[-2]
    totals = counts.sum(1)
    shares = np.full((number, labels), 1 / labels)
    parts = counts / np.maximum(totals, 1)[:, None]
    active = np.flatnonzero(totals > 0)
    for _ in range(_STEPS):
        if not len(active):
            break
        rate = rates if rates.ndim == 2 else rates[active]
        first = shares[active]
        second = _step(first, parts[active], rate)
        third = _step(second, parts[active], rate)
        move = second - first
        bend = third - second - move
        length = np.linalg.norm(move, axis=1) / np.maximum(np.linalg.norm(bend, axis=1), 1e-15)
        length = np.clip(length, 1, 50)[:, None]
        # A leap may not end at 0, from which no step leads away, nor where the counts are less likely.
        leapt = np.maximum(first + 2 * length * move + length**2 * bend, third / 10)
        leapt /= leapt.sum(1, keepdims=True)
        worse = _likelihood(leapt, parts[active], rate) < _likelihood(third, parts[active], rate)
        shares[active] = np.where(worse[:, None], third, leapt)
        active = active[np.abs(third - second).max(1) > _TOLERANCE]
    shares[totals == 0] = np.nan
    return shares


def _step(shares: Array, parts: Array, rates: Array) -> Array:
    """Return the mean probability of each label, given the shares (N, C) and each answer's part of the posts (N, K)."""
    if rates.ndim == 2:
        ratio = parts / np.maximum(shares @ rates, 1e-300)  # (N, K)
        return np.asarray(shares * (ratio @ rates.T))
    ratio = parts / np.maximum((shares[:, None, :] @ rates)[:, 0], 1e-300)
    return np.asarray(shares * (rates @ ratio[:, :, None])[:, :, 0])


def _likelihood(shares: Array, parts: Array, rates: Array) -> Array:
    """Return the mean log-likelihood of the answers, (N,)."""
    chances = shares @ rates if rates.ndim == 2 else (shares[:, None, :] @ rates)[:, 0]  # (N, K)
    return np.asarray((parts * np.log(np.maximum(chances, 1e-300))).sum(1))


def _drawn_shares(counts: NDArray[np.int64], rates: Array) -> Array:
    """Return the shares (B, g, C) of resampled counts (B, g, K), each resample with its own rates (B, C, K)."""
    resamples, groups, answers = counts.shape
    repeated = np.repeat(rates, groups, axis=0)
    return mixture_shares(counts.reshape(-1, answers), repeated).reshape(resamples, groups, -1)


def _resampled(counts: Array, resamples: int, generator: np.random.Generator) -> Array:
    """Return the held-out posts of each label drawn again, (B, C, K)."""
    rows = [
        generator.multinomial(max(1, round(row.sum())), row / row.sum(), size=resamples) for row in counts
    ]  # each (B, K)
    return np.stack(rows, axis=1).astype(np.float64)


def _weighted(shares: list[Array], sizes: Array) -> Array:
    """Return the mean of shares (S, ..., C) by the number of posts (S, ...); NaN where there are no posts."""
    total = sizes.sum(0)
    weighted = np.nan_to_num(np.array(shares)) * sizes[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weighted.sum(0) / total[..., None])
