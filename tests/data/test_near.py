from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from moodfuse.data import near
from moodfuse.data.near import near_hashes, near_texts

LOOKED_UP = {"many": 1}  # whatever their number


def ordered(pairs: Any) -> list[tuple[int, int]]:
    return sorted((min(pair), max(pair)) for pair in pairs)


def plainly(texts: list[str], similarity: float = 0.9) -> list[tuple[int, int]]:
    pairs = itertools.combinations(range(len(texts)), 2)
    return [(i, j) for i, j in pairs if Levenshtein.normalized_similarity(texts[i], texts[j]) >= similarity]


def spoiled(text: str, times: int, random: np.random.Generator) -> str:
    """Put in, leave out or change letters."""
    letters = list(text)
    for _ in range(times):
        at = int(random.integers(len(letters)))
        letters[at : at + int(random.integers(2))] = random.choice(list("abcdefg \U0001f600"), random.integers(3))
    return "".join(letters)


@pytest.mark.parametrize("many", [{}, LOOKED_UP])
@given(texts=st.lists(st.text("ab", min_size=1, max_size=40), unique=True, max_size=12))
def test_near_texts_are_all_those_that_a_plain_search_finds(many: dict[str, int], texts: list[str]) -> None:
    assert ordered(near_texts(texts, 0.9, **many)) == plainly(texts)


@given(texts=st.lists(st.text("abc", min_size=1, max_size=9), unique=True, max_size=12))
def test_less_similar_texts_are_found_too(texts: list[str]) -> None:
    assert ordered(near_texts(texts, 0.5, **LOOKED_UP)) == plainly(texts, 0.5)


def test_texts_are_looked_up_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_ROWS", 3)
    texts = [letter * 10 + mark for letter in "abcdefgh" for mark in ("x", "y")]
    assert ordered(near_texts(texts, 0.9, **LOOKED_UP)) == plainly(texts)


@pytest.mark.parametrize("gain", [1, 1e-6])
def test_spoiled_copies_are_found_by_what_they_share(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    monkeypatch.setattr(near, "_GAIN", gain)  # 1e-6: never look at all
    random = np.random.default_rng(0)
    own = ["".join(random.choice(list("abcdefghij "), length)) for length in random.integers(9, 130, 60)]
    texts = list(dict.fromkeys([*own, *(spoiled(text, int(random.integers(1, 9)), random) for text in own * 4)]))
    expected = plainly(texts)
    assert len(expected) > 60
    assert ordered(near_texts(texts, 0.9, **LOOKED_UP)) == expected


def test_many_texts_are_not_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    texts = ["".join(random.choice(list("abcdefghijklmnop"), 40)) for _ in range(600)]
    texts[7] = texts[300][:-1] + "!"
    compared: list[int] = []
    plain = near.cpdist
    monkeypatch.setattr(near, "cpdist", lambda a, b, **more: compared.append(len(a)) or plain(a, b, **more))
    monkeypatch.setattr(near, "cdist", None)
    assert ordered(near_texts(texts, 0.9)) == [(7, 300)]
    assert 1 <= sum(compared) < 100


@pytest.mark.parametrize("many", [{}, LOOKED_UP])
def test_texts_at_the_very_limit_are_near_whatever_their_lengths(many: dict[str, int]) -> None:
    for length in range(9, 400, 9):
        assert list(near_texts(["a" * length, "a" * (length * 10 // 9)], 0.9, **many)) == [(0, 1)]


def test_texts_with_halves_of_signs_are_compared_too() -> None:
    assert list(near_texts(["\ud800 nine letters", "\ud800 nine letterz"], 0.9, **LOOKED_UP)) == [(0, 1)]


def test_near_hashes_are_all_those_within_four_bits() -> None:
    random = np.random.default_rng(2)
    own = random.random((40, 64)) < 0.5
    copies = own[random.integers(40, size=400)]
    for row, flips in zip(copies, random.integers(0, 9, 400), strict=True):
        row[random.choice(64, flips, replace=False)] ^= True
    bits = np.concatenate([own, copies])
    distance = (bits[:, None] != bits).sum(-1)
    expected = [(i, j) for i, j in itertools.combinations(range(len(bits)), 2) if distance[i, j] <= 4]
    assert len(expected) > 400
    assert sorted(set(ordered(near_hashes(bits)))) == expected


def test_no_hashes_have_no_pairs() -> None:
    assert list(near_hashes(np.zeros((0, 64), bool))) == []


def test_a_distance_that_could_be_missed_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4, found 5"):
        list(near_hashes(np.zeros((2, 64), bool), 5))
