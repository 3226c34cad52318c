"""Corrected shares: the textbook's, right under shifts, with intervals that hold the truth."""

import numpy as np
import pytest

from moodfuse.decide.prevalence import answer_rates, corrected_shares, mixture_shares, uncorrected_shares
from moodfuse.runtime.confusion import Confusion, count_answers

TRAINED_ON = np.array([0.3, 0.1, 0.6])
CENTRES = np.array([[1.2, 0.0], [0.0, 1.5], [-1.2, 0.0]])


def draw(posts: int, shares: np.ndarray, luck: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return true labels and the calibrated probabilities of a model that was trained on other shares."""
    true = luck.choice(3, posts, p=shares)
    points = CENTRES[true] + luck.standard_normal((posts, 2))
    odds = TRAINED_ON * np.exp(-((points[:, None] - CENTRES) ** 2).sum(2) / 2)
    return true, odds / odds.sum(1, keepdims=True)


def textbook(posteriors: np.ndarray, weights: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Saerens et al. (2002), equations 2.9: posteriors (N, C) of posts that stand `weights` times."""
    shares = prior.copy()
    for _ in range(20_000):
        scaled = posteriors * shares / prior
        scaled /= scaled.sum(1, keepdims=True)
        shares = (weights[:, None] * scaled).sum(0) / weights.sum()
    return shares


def test_the_shares_are_those_of_the_textbook() -> None:
    luck = np.random.default_rng(0)
    rates = answer_rates(luck.integers(1, 60, (3, 9)).astype(float))
    counts = luck.integers(0, 400, (5, 9))
    prior = np.array([0.2, 0.3, 0.5])
    posteriors = (prior[:, None] * rates / (prior @ rates)).T
    found = mixture_shares(counts, rates)
    for row, shares in zip(counts, found, strict=True):
        assert shares == pytest.approx(textbook(posteriors, row, prior), abs=2e-4)


def test_shares_at_the_edge_are_found_and_sum_to_one() -> None:
    rates = np.array([[0.8, 0.2], [0.3, 0.7]])
    found = mixture_shares(np.array([[95, 5], [5, 95], [0, 0]]), rates)
    assert found[:2] == pytest.approx(np.array([[1.0, 0.0], [0.0, 1.0]]), abs=1e-3)
    assert np.isnan(found[2]).all()


def test_no_resample_ends_far_from_all_others() -> None:
    """A leap past the edge once ended at a corner from which no step leads away."""
    confusion = Confusion(counts=((826, 62, 304), (117, 151, 151), (363, 111, 1914)))
    luck = np.random.default_rng(1)
    rates = answer_rates(np.array(confusion.counts))
    counts = np.stack([luck.multinomial(350, np.array([0.25, 0.0, 0.75]) @ rates) for _ in range(40)])
    shares = corrected_shares({"text": counts}, {"text": confusion})
    assert (shares.draws[..., 0] < 0.6).all()


def test_intervals_hold_the_truth_where_plain_counts_do_not() -> None:
    luck = np.random.default_rng(7)
    held, counted = [], []
    for seed in range(60):
        true, table = draw(4_000, TRAINED_ON, luck)
        confusion = count_answers(true, {"text": table})["text"]
        assert len(confusion.edges) == 2
        shares = luck.dirichlet(np.ones(3))
        _, table = draw(1_000, shares, luck)
        counts = np.bincount(confusion.answers(table.argmax(1), table.max(1)), minlength=9)[None]
        low, high = corrected_shares({"text": counts}, {"text": confusion}, resamples=200, seed=seed).bounds[:, 0]
        held.append((low <= shares) & (shares <= high))
        plain = np.bincount(table.argmax(1), minlength=3) / 1_000
        counted.append(np.abs(plain - shares) < 1.96 * np.sqrt(plain * (1 - plain) / 1_000))
    assert np.mean(held) > 0.88
    assert np.mean(counted) < 0.4


def test_posts_of_which_less_was_read_have_rates_of_their_own() -> None:
    both, text = Confusion(counts=((90, 10), (10, 90))), Confusion(counts=((60, 40), (40, 60)))
    counts = {"image|text": np.array([[90, 10]]), "text": np.array([[120, 80]])}  # all of the first label
    shares = corrected_shares(counts, {"image|text": both, "text": text})
    assert shares.values[0, 0] > 0.97


def test_without_held_out_answers_shares_are_mean_probabilities() -> None:
    table = np.random.default_rng(0).dirichlet([2, 1, 3], 500)
    sums, products = table.sum(0)[None], np.einsum("ni,nj->ij", table, table)[None]
    shares = uncorrected_shares(sums, products, np.array([500]))
    assert shares.values[0] == pytest.approx(table.mean(0))
    assert shares.draws.std(0)[0] == pytest.approx(table.std(0) / np.sqrt(500), rel=0.15)


def test_a_confusion_that_does_not_fit_is_refused() -> None:
    for counts in (((1, 2), (3,)), ((0, 0), (1, 2)), ((1, 2),)):
        with pytest.raises(ValueError, match=r"count|label"):
            Confusion(counts=counts)


def test_few_held_out_posts_are_not_split_into_bands() -> None:
    luck = np.random.default_rng(0)
    assert [len(count_answers(*_named(draw(n, TRAINED_ON, luck)))["text"].edges) for n in (300, 700, 3_000)] == [
        0,
        1,
        2,
    ]
    true, table = draw(300, np.array([0.5, 0.0, 0.5]), luck)
    assert count_answers(true, {"text": table}) == {}  # of a label without a held-out post nothing is known


def _named(drawn: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return drawn[0], {"text": drawn[1]}
