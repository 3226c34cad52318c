"""Words that speak for a label."""

import numpy as np

from moodfuse.decide.words import Words


def spoken_for(texts: list[str], predicted: list[int]) -> list[list[str]]:
    words = Words()
    for text in texts:
        words.add(text)
    rows = np.arange(len(texts))
    return [[one.text for one in found] for found in words.finish().speaking(rows, np.array(predicted), 2)]


def test_words_of_a_label_are_found_and_those_of_all_are_not() -> None:
    texts = ["the delay was awful", "awful food in the hall"] * 20 + [
        "a lovely day in the park",
        "lovely! the best",
    ] * 20
    negative, positive = spoken_for(texts, [0] * 40 + [1] * 40)
    assert "awful" in negative
    assert "lovely" in positive
    assert "the" not in negative + positive


def test_chinese_is_counted_in_pairs_of_signs_and_hashtags_stay_whole() -> None:
    texts = ["服务太差了 #退款"] * 20 + ["非常喜欢 #new"] * 20
    negative, positive = spoken_for(texts, [0] * 20 + [1] * 20)
    assert {"服务", "#退款"} <= set(negative)
    assert {"喜欢", "#new"} <= set(positive)


def test_addresses_and_names_are_no_words_and_no_text_is_none() -> None:
    words = Words()
    for text in ["@someone see https://example.org/awful", None, ""]:
        words.add(text)  # type: ignore[arg-type]
    assert words.finish().words == ["see"]
    assert words.finish().speaking(np.arange(3), np.zeros(3, int), 2) == [[], []]
