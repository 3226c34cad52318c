"""The lexicon view: VADER's own numbers, for any text, in bounded time and without PyTorch."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from moodfuse.data.lexicon import MAX_CHARS, MAX_WORDS, SCORES, lexicon_scores
from moodfuse.errors import MissingExtraError


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("What a wonderful day :)", 1),
        ("this is NOT good", -1),
        ("terrible, awful", -1),
        ("I love it \U0001f60d", 1),
        ("the table has four legs", 0),
    ],
)
def test_the_balance_has_the_sign_that_a_reader_gives(text: str, sign: int) -> None:
    negative, neutral, positive, compound = lexicon_scores(text)
    assert np.sign(compound) == sign
    assert np.sign(positive - negative) == sign
    assert negative + neutral + positive == pytest.approx(1, abs=2e-3)


def test_a_short_text_gets_vaders_own_numbers() -> None:
    text = "Today only kinda sux! But I'll get by, lol"
    assert lexicon_scores(text).tolist() == pytest.approx(
        list(SentimentIntensityAnalyzer().polarity_scores(text).values())
    )


def test_capitals_and_exclamation_marks_count() -> None:
    assert lexicon_scores("this is GREAT!!!")[3] > lexicon_scores("this is great")[3] > 0


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_no_words_are_all_zero(text: str) -> None:
    assert lexicon_scores(text).tolist() == [0, 0, 0, 0]


@given(st.text(max_size=80))
@settings(max_examples=50)
def test_any_text_gets_four_finite_numbers(text: str) -> None:
    scores = lexicon_scores(text)
    assert scores.shape == (len(SCORES),)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (scores[:3] >= 0).all()
    assert abs(scores[3]) <= 1


@pytest.mark.parametrize("text", ["but good " * 5_000, "\U0001f602" * 20_000, "x" * 20_000])
def test_a_hostile_text_takes_bounded_time(text: str) -> None:
    lexicon_scores("")  # reads the lexicon
    start = time.process_time()
    lexicon_scores(text)
    assert time.process_time() - start < 5  # minutes without the limits


def test_only_the_beginning_of_a_long_text_counts() -> None:
    assert lexicon_scores("a " * MAX_WORDS + "terrible").tolist() == [0, 1, 0, 0]
    assert lexicon_scores("a" * MAX_CHARS + " terrible").tolist() == [0, 1, 0, 0]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from moodfuse.data import lexicon

    lexicon._analyzer.cache_clear()
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(MissingExtraError, match="vaderSentiment is not installed"):
        lexicon_scores("good")


def test_pytorch_is_not_needed() -> None:
    code = "import sys, moodfuse.data.lexicon as view; view.lexicon_scores('x'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
