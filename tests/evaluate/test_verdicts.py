"""Holm's correction by hand, and verdicts in words."""

from dataclasses import asdict

import pytest

from moodfuse.errors import ConfigError
from moodfuse.evaluate.intervals import McNemar, PairedDifference
from moodfuse.evaluate.verdicts import Pair, enough_resamples, find_pair, holm


def pair(difference: float, low: float, high: float, p: float, a: str = "gated", b: str = "concat") -> Pair:
    return Pair(a, b, PairedDifference("macro_f1", difference, low, high, p), p, McNemar(12, 4, 0.08), 0.2, 10)


def test_holm_equals_values_computed_by_hand() -> None:
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, and none below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    with pytest.raises(ConfigError, match="from 0 to 1"):
        holm([1.5])


def test_words_say_who_is_ahead_by_how_much_and_how_sure() -> None:
    assert pair(0.0192, 0.0061, 0.0318, 0.01, b="text").words() == (
        "gated beats text alone by 1.9 points macro-F1 (0.6 to 3.2)"
    )
    assert pair(-0.02, -0.03, -0.01, 0.01, b="image").words() == (
        "gated falls behind image alone by 2.0 points macro-F1 (1.0 to 3.0)"
    )
    assert pair(0.003, -0.008, 0.014, 0.6).words() == (
        "gated and concat cannot be told apart here (+0.3 points macro-F1, -0.8 to +1.4)"
    )
    assert pair(0.01, 0.001, 0.02, 0.2).words().endswith(": not after correction for 10 comparisons")


def test_a_pair_seen_from_the_other_side() -> None:
    turned = find_pair([pair(0.02, 0.01, 0.03, 0.001)], "concat", "gated")
    assert turned.verdict == "loses to"
    assert (turned.bootstrap.low, turned.bootstrap.high) == (-0.03, -0.01)
    assert (turned.mcnemar.only_a, turned.mcnemar.only_b) == (4, 12)
    assert asdict(turned.turned()) == asdict(pair(0.02, 0.01, 0.03, 0.001))
    with pytest.raises(ConfigError, match="were not compared"):
        find_pair([], "a", "b")


def test_resamples_leave_room_for_a_corrected_p_value() -> None:
    for comparisons in (1, 10, 91, 200, 1_000):
        smallest = 2 / (enough_resamples(comparisons) + 1)
        assert smallest * comparisons < 0.05
