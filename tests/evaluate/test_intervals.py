from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import binom

from moodfuse.errors import ConfigError, DataError
from moodfuse.evaluate.intervals import Bootstrap, bootstrap_intervals, mcnemar, paired_bootstrap, wilson_interval
from moodfuse.evaluate.metrics import score
from moodfuse.labels import SENTIMENT


def system(truth: np.ndarray, accuracy: float, seed: int) -> np.ndarray:
    """Predictions that are right with this probability, else any label."""
    generator = np.random.default_rng(seed)
    return np.where(generator.random(len(truth)) < accuracy, truth, generator.integers(0, 3, len(truth)))


TRUTH = np.random.default_rng(0).choice(3, 1000, p=[0.3, 0.1, 0.6])


def test_the_interval_of_accuracy_is_the_binomial_one() -> None:
    predicted = system(TRUTH, 0.6, 1)
    right = float(np.mean(predicted == TRUTH))
    intervals = bootstrap_intervals(TRUTH, predicted, labels=SENTIMENT, bootstrap=Bootstrap(resamples=20_000))
    low, high = intervals["accuracy"]
    assert [low, high] == pytest.approx(binom.ppf([0.025, 0.975], 1000, right) / 1000, abs=0.0021)


def test_equal_to_a_bootstrap_that_draws_posts_one_by_one() -> None:
    truth, predicted = TRUTH[:150], system(TRUTH[:150], 0.5, 2)
    generator = np.random.default_rng(5)
    drawn = []
    for _ in range(1500):
        chosen = generator.integers(0, 150, 150)
        drawn.append(score(truth[chosen], predicted[chosen], SENTIMENT))
    intervals = bootstrap_intervals(truth, predicted, labels=SENTIMENT, bootstrap=Bootstrap(resamples=20_000))
    for metric in ("accuracy", "macro_f1", "weighted_f1"):
        expected = np.quantile([getattr(scores, metric) for scores in drawn], [0.025, 0.975])
        assert intervals[metric] == pytest.approx(tuple(expected), abs=0.015)
    f1 = np.quantile([scores.per_class["neutral"].f1 for scores in drawn], [0.025, 0.975])
    assert intervals["f1_neutral"] == pytest.approx(tuple(f1), abs=0.03)
    assert set(intervals) == {"accuracy", "macro_f1", "weighted_f1", *(f"f1_{name}" for name in SENTIMENT.names)}


def test_intervals_cover_the_true_score_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        truth = np.random.default_rng([9, seed]).integers(0, 3, 300)
        predicted = system(truth, 0.7, seed)
        intervals = bootstrap_intervals(truth, predicted, labels=SENTIMENT, bootstrap=Bootstrap(resamples=400))
        low, high = intervals["accuracy"]
        covered += low <= 0.7 + 0.3 / 3 <= high
    assert 180 <= covered <= 199  # 190 expected


def test_copies_of_a_post_are_no_evidence() -> None:
    truth, predicted = TRUTH[:200], system(TRUTH[:200], 0.6, 3)
    once = bootstrap_intervals(truth, predicted, labels=SENTIMENT, bootstrap=Bootstrap(resamples=8000))["accuracy"]
    copies, copied = np.repeat(truth, 5), np.repeat(predicted, 5)
    naive = bootstrap_intervals(copies, copied, labels=SENTIMENT, bootstrap=Bootstrap(resamples=8000))["accuracy"]
    groups = np.repeat(np.arange(200), 5).tolist()
    whole = bootstrap_intervals(copies, copied, labels=SENTIMENT, groups=groups, bootstrap=Bootstrap(resamples=8000))[
        "accuracy"
    ]
    assert whole == pytest.approx(once, abs=0.011)
    assert naive[1] - naive[0] < 0.6 * (whole[1] - whole[0])


def test_groups_of_one_are_no_groups() -> None:
    predicted = system(TRUTH, 0.6, 1)
    plain = bootstrap_intervals(TRUTH, predicted, labels=SENTIMENT, bootstrap=Bootstrap(resamples=8000))
    grouped = bootstrap_intervals(
        TRUTH, predicted, labels=SENTIMENT, groups=list(range(1000)), bootstrap=Bootstrap(resamples=8000)
    )
    assert plain["macro_f1"] == pytest.approx(grouped["macro_f1"], abs=0.006)


def test_the_seed_decides_and_the_level_widens() -> None:
    predicted = system(TRUTH, 0.6, 1)
    first = bootstrap_intervals(TRUTH, predicted, labels=SENTIMENT)
    assert first == bootstrap_intervals(TRUTH, predicted, labels=SENTIMENT)
    wider = bootstrap_intervals(TRUTH, predicted, labels=SENTIMENT, bootstrap=Bootstrap(level=0.99))
    assert all(wider[name][0] < low and wider[name][1] > high for name, (low, high) in first.items())


def test_two_thousand_resamples_of_four_thousand_posts_take_less_than_a_second() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 4000)
    groups = generator.integers(0, 3700, 4000).tolist()
    start = time.perf_counter()
    bootstrap_intervals(truth, system(truth, 0.6, 0), labels=SENTIMENT, groups=groups)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("truth", "predicted"), [([1], [1]), ([1], [0]), ([0] * 5, [0] * 5), ([0] * 5, [2] * 5), ([0, 1], [1, 0])]
)
def test_degenerate_input_gives_finite_numbers(truth: list[int], predicted: list[int]) -> None:
    intervals = bootstrap_intervals(truth, predicted, labels=SENTIMENT, groups=["a"] * len(truth))
    assert np.isfinite(list(intervals.values())).all()
    assert intervals["accuracy"] == (float(truth == predicted),) * 2
    paired = paired_bootstrap(truth, predicted, truth, labels=SENTIMENT)["macro_f1"]
    assert np.isfinite([paired.difference, paired.low, paired.high, paired.p_value]).all()


def test_a_better_system_is_found_better() -> None:
    paired = paired_bootstrap(TRUTH, system(TRUTH, 0.8, 1), system(TRUTH, 0.5, 2), labels=SENTIMENT)["macro_f1"]
    assert 0 < paired.low < paired.difference < paired.high
    assert paired.p_value == pytest.approx(2 / 2001)
    a, b = (score(TRUTH, system(TRUTH, p, s), SENTIMENT) for p, s in ((0.8, 1), (0.5, 2)))
    assert paired.difference == pytest.approx(a.macro_f1 - b.macro_f1)


def test_swapping_the_systems_turns_the_sign() -> None:
    a, b = system(TRUTH, 0.62, 1), system(TRUTH, 0.6, 2)
    one = paired_bootstrap(TRUTH, a, b, labels=SENTIMENT, bootstrap=Bootstrap(resamples=8000))["accuracy"]
    other = paired_bootstrap(TRUTH, b, a, labels=SENTIMENT, bootstrap=Bootstrap(resamples=8000))["accuracy"]
    assert one.difference == pytest.approx(-other.difference)
    assert one.low == pytest.approx(-other.high, abs=0.006)
    assert one.p_value == pytest.approx(other.p_value, abs=0.05)


def test_a_system_does_not_differ_from_itself() -> None:
    predicted = system(TRUTH, 0.6, 1)
    paired = paired_bootstrap(TRUTH, predicted, predicted, labels=SENTIMENT)["macro_f1"]
    assert (paired.difference, paired.low, paired.high, paired.p_value) == (0, 0, 0, 1)
    assert mcnemar(TRUTH, predicted, predicted, labels=SENTIMENT).p_value == 1


def test_equal_systems_are_told_apart_as_seldom_as_the_level_says() -> None:
    found = 0
    for seed in range(200):
        truth = np.random.default_rng([7, seed]).integers(0, 3, 200)
        a, b = system(truth, 0.6, 2 * seed), system(truth, 0.6, 2 * seed + 1)
        paired = paired_bootstrap(truth, a, b, labels=SENTIMENT, bootstrap=Bootstrap(resamples=400))
        found += paired["accuracy"].p_value < 0.05
    assert found <= 20  # 10 expected


def test_mcnemar_by_hand() -> None:
    truth, a, b = [0] * 12, [0] * 10 + [1, 1], [1] * 9 + [0, 0, 1]
    result = mcnemar(truth, a, b, labels=SENTIMENT)
    assert (result.only_a, result.only_b) == (9, 1)
    assert result.p_value == pytest.approx(2 * (1 + 10) / 2**10)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(DataError, match="a group for each of 2 posts, found 1"):
        bootstrap_intervals([0, 1], [0, 1], labels=SENTIMENT, groups=["a"])
    with pytest.raises(DataError, match="a group for each of 2 posts, found 0"):
        paired_bootstrap([0, 1], [0, 1], [1, 0], labels=SENTIMENT, groups=[])
    with pytest.raises(DataError, match="at least one post"):
        bootstrap_intervals([], [], labels=SENTIMENT)
    with pytest.raises(ConfigError, match="level: expected a share"):
        bootstrap_intervals([0], [0], labels=SENTIMENT, bootstrap=Bootstrap(level=95))
    with pytest.raises(ConfigError, match="resamples: expected 1"):
        bootstrap_intervals([0], [0], labels=SENTIMENT, bootstrap=Bootstrap(resamples=0))


def test_wilsons_interval_of_a_share() -> None:
    # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I: 81 of 263, 15 of 148, 0 of 20.
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson_interval(right, count) == pytest.approx((low, high), abs=5e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)
