from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from moodfuse.errors import DataError
from moodfuse.evaluate.metrics import score
from moodfuse.labels import SENTIMENT, Labels


def test_a_case_done_by_hand() -> None:
    scores = score([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0], SENTIMENT)
    assert scores.n == 6
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.confusion == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]  # rows: truth
    assert [scores.per_class[name].f1 for name in SENTIMENT.names] == pytest.approx([1 / 2, 2 / 3, 4 / 5])
    assert scores.macro_f1 == pytest.approx((1 / 2 + 2 / 3 + 4 / 5) / 3)
    assert scores.weighted_f1 == pytest.approx((2 / 2 + 2 / 3 + 3 * 4 / 5) / 6)
    positive = scores.per_class["positive"]
    assert (positive.precision, positive.recall, positive.support) == pytest.approx((1.0, 2 / 3, 3))


ids = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30)


@given(ids)
def test_equal_to_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    scores = score(true, predicted, SENTIMENT)
    assert scores.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    assert scores.weighted_f1 == pytest.approx(f1_score(true, predicted, average="weighted", zero_division=0))


def test_probabilities_count_by_their_largest() -> None:
    probabilities = [[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.1, 0.1, 0.8]]
    assert score([1, 0, 1], probabilities, SENTIMENT) == score([1, 0, 1], [1, 0, 2], SENTIMENT)


@pytest.mark.parametrize("predicted", [[1], [0], [2]])
def test_one_post_gives_finite_numbers(predicted: list[int]) -> None:
    content = asdict(score([1], predicted, SENTIMENT))
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["accuracy"] == content["macro_f1"] == float(predicted == [1])


def test_as_many_posts_as_labels_are_ids_not_probabilities() -> None:
    assert score(np.array([0, 1, 2]), np.array([0, 1, 2]), SENTIMENT).accuracy == 1


def test_other_labels() -> None:
    assert list(score([0, 1], [1, 1], Labels(("no", "yes"))).per_class) == ["no", "yes"]


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([], [], "at least one post, found none"),
        ([0, 1], [0], r"as many predictions as posts, found \[2, 1\]"),
        ([0, 3], [0, 1], "label ids from 0 to 2, found 3"),
        ([0, 1], [0, -1], "label ids from 0 to 2, found -1"),
        ([0, 1], [0.2, 0.7], "label ids from 0 to 2, found 0.2"),
        ([0, 1], ["negative", "neutral"], "found 'negative'"),
        ([0], [[np.nan, 0.5, 0.5]], "numbers that are not finite"),
        ([0], [[0.5, 0.5]], r"found the shape \(1, 2\)"),
    ],
)
def test_what_cannot_be_scored_is_refused(true: list[int], predicted: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        score(true, predicted, SENTIMENT)  # type: ignore[arg-type]
