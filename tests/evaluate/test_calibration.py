from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodfuse.errors import ConfigError, DataError
from moodfuse.evaluate.calibration import (
    TEMPERATURES,
    expected_calibration_error,
    fit_temperature,
    reliability,
    review_threshold,
)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def drawn(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (count, 3))
    cumulative = softmax(logits / temperature).cumsum(1)
    return logits, (generator.random((count, 1)) > cumulative[:, :2]).sum(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5, 6.0])
def test_a_planted_temperature_is_found_and_mends_the_calibration(temperature: float) -> None:
    logits, truth = drawn(temperature)
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(temperature, rel=0.06)
    assert expected_calibration_error(softmax(logits / found), truth) < 0.015
    if temperature > 2:
        assert expected_calibration_error(softmax(logits), truth) > 0.1


@pytest.mark.parametrize(
    ("logits", "truth"),
    [
        ([[9.0, 0.0, 0.0]] * 4, [0] * 4),
        ([[9.0, 0.0, 0.0]] * 4, [1] * 4),
        ([[0.0, 0.0, 0.0]] * 4, [0, 1, 2, 0]),
        ([[1e300, -1e300, 0.0]], [0]),
        ([[1e6, 0.0, 0.0]], [2]),
        ([[2.0, 1.0]], [0]),
    ],
)
def test_degenerate_input_gives_a_finite_temperature(logits: list[list[float]], truth: list[int]) -> None:
    found = fit_temperature(logits, truth)
    assert TEMPERATURES[0] <= found <= TEMPERATURES[1]


def test_logits_that_say_nothing_leave_the_temperature_at_1() -> None:
    assert fit_temperature([[5.0, 5.0, 5.0]] * 3, [0, 1, 2]) == 1.0


def test_calibration_error_by_hand() -> None:
    # Bin (0.5, 0.6]: confidence 0.6, half right; bin (0.9, 1]: confidence 1, all right.
    probabilities = [[0.6, 0.4], [0.6, 0.4], [0.0, 1.0], [1.0, 0.0]]
    assert expected_calibration_error(probabilities, [0, 1, 1, 0], bins=10) == pytest.approx(0.5 * 0.1)


def test_a_bin_holds_its_upper_edge() -> None:
    # One half belongs to (0, 0.5], as in the paper: gaps of 0.5 and 0.25, one post each.
    assert expected_calibration_error([[0.5, 0.5], [0.75, 0.25]], [1, 0], bins=2) == pytest.approx(0.375)


@pytest.mark.parametrize(("truth", "error"), [([0], 0.0), ([1], 1.0)])
def test_calibration_error_of_one_sure_post(truth: list[int], error: float) -> None:
    assert expected_calibration_error([[1.0, 0.0, 0.0]], truth) == pytest.approx(error)


def test_the_review_threshold_parts_the_least_sure() -> None:
    confidence = np.arange(1, 11) / 10
    review = review_threshold(confidence, [False, True] + [True] * 7 + [False])
    assert (review.threshold, review.share) == pytest.approx((0.3, 0.2))
    assert (review.accuracy_below, review.accuracy_above) == pytest.approx((0.5, 7 / 8))


def test_posts_of_equal_confidence_stay_together() -> None:
    review = review_threshold([0.5] * 10, [True] * 9 + [False])
    assert (review.threshold, review.share, review.accuracy_below, review.accuracy_above) == (0.5, 0, None, 0.9)


def test_a_share_of_all_or_nothing() -> None:
    assert review_threshold([0.2, 1.0], [True, False], share=1).share == 1
    assert review_threshold([0.2, 1.0], [True, False], share=1).accuracy_above is None
    assert review_threshold([0.2, 1.0], [True, False], share=0).share == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 1))
def test_never_more_posts_below_than_asked_for(confidence: list[float], share: float) -> None:
    review = review_threshold(confidence, [True] * len(confidence), share=share)
    below = np.array(confidence) < review.threshold
    assert below.mean() == review.share <= share + 0.5 / len(confidence) + 1e-9
    assert review.accuracy_below in (None, 1.0)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(DataError, match="2 rows for 1 posts"):
        fit_temperature([[1.0, 2.0], [2.0, 1.0]], [0])
    with pytest.raises(DataError, match="finite logits"):
        fit_temperature([[np.nan, 2.0]], [0])
    with pytest.raises(DataError, match="finite probabilities"):
        expected_calibration_error([0.5, 0.5], [0, 1])
    with pytest.raises(DataError, match="at least one post"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(DataError, match="review threshold"):
        review_threshold([], [])
    with pytest.raises(DataError, match="review threshold"):
        review_threshold([0.5, float("nan")], [True, True])
    with pytest.raises(ConfigError, match="share: expected"):
        review_threshold([0.5], [True], share=20)
    with pytest.raises(ConfigError, match="bins: expected"):
        expected_calibration_error([[0.5, 0.5]], [0], bins=0)


def test_reliability_bins_hold_every_post_and_give_the_calibration_error() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], 500)
    true = generator.integers(0, 3, 500)
    bins = reliability(probabilities.max(1), probabilities.argmax(1) == true, bins=10)
    assert sum(one.posts for one in bins) == 500
    assert all(one.low < one.confidence <= one.high for one in bins)
    assert bins[0].low >= 0.3  # no confidence of three classes is below a third
    error = sum(one.posts * abs(one.accuracy - one.confidence) for one in bins) / 500
    assert error == pytest.approx(expected_calibration_error(probabilities, true, bins=10))


def test_reliability_bins_are_open_below_and_closed_above() -> None:
    bins = reliability([0.05, 0.35, 0.4, 0.95, 1.0], [True, False, True, True, False], bins=10)
    assert sum(one.posts for one in bins) == 5
    last = bins[-1]
    assert (last.low, last.high, last.posts, last.accuracy) == (0.9, 1.0, 2, 0.5)
    assert last.confidence == pytest.approx(0.975)
    assert [round(one.high, 1) for one in bins] == [0.1, 0.4, 1.0]  # open below, closed above; empty ones left out
    assert reliability([], []) == []
