"""The label set: its order, and that a misspelt label never becomes a class."""

import pytest

from moodfuse.errors import ConfigError, DataError
from moodfuse.labels import SENTIMENT, Labels


def test_the_order_is_negative_neutral_positive() -> None:
    assert SENTIMENT.names == ("negative", "neutral", "positive")
    assert [SENTIMENT.id(name) for name in SENTIMENT.names] == [0, 1, 2]
    assert len(SENTIMENT) == 3


@pytest.mark.parametrize("raw", ["positive", " Positive ", "POSITIVE\n"])
def test_case_and_blanks_are_forgiven(raw: str) -> None:
    assert SENTIMENT.parse(raw, where="here") == "positive"


@pytest.mark.parametrize("raw", [None, "", "  ", "null", "NULL", "None", "nan"])
def test_what_says_unlabelled(raw: str | None) -> None:
    assert SENTIMENT.parse(raw, where="here") is None


@pytest.mark.parametrize(("raw", "said"), [("postive", "did you mean positive"), ("4", "known: negative, neutral, ")])
def test_a_misspelt_label_is_an_error_that_says_where(raw: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^train.txt line 6: .*{said}"):
        SENTIMENT.parse(raw, where="train.txt line 6")


def test_labels_keep_the_spelling_of_the_configuration() -> None:
    assert Labels(("Angry", "Glad")).parse("angry", where="here") == "Angry"


@pytest.mark.parametrize("names", [(), ("one",), ("same", "same"), ("good", "null")])
def test_a_set_that_cannot_be_one_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="labels:"):
        Labels(names)
