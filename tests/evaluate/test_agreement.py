"""Krippendorff's alpha, against its author's worked examples."""

import pytest

from moodfuse.evaluate.agreement import krippendorff_alpha

# Krippendorff (2011), Computing Krippendorff's alpha-reliability, section C: four observers, 0 is missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
# The same, section A: two observers, ten units, two categories.
TWO = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]


def test_the_published_examples_come_out() -> None:
    units = [[value for value in unit if value] for unit in zip(*OBSERVERS, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(list(zip(*TWO, strict=True))) == pytest.approx(0.095, abs=5e-4)


def test_full_agreement_is_one_and_what_says_nothing_is_none() -> None:
    assert krippendorff_alpha([("a", "a"), ("b", "b", "b")]) == 1
    assert krippendorff_alpha([("a", "a"), ("a", "a")]) is None
    assert krippendorff_alpha([("a",), ("b",)]) is None
    assert krippendorff_alpha([]) is None


def test_differing_more_than_chance_is_below_zero() -> None:
    assert (krippendorff_alpha([("a", "b"), ("b", "a")]) or 0) < 0
