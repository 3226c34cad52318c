"""English becomes Chinese where a person reads it: whole sentences, and those that fill a message with gaps."""

import time

import pytest

from moodfuse.language import Catalogue, language, speak, system_language, translate

KNOWN = Catalogue(
    {
        "Only errors.": "只显示错误。",
        "posts": "帖子",
        "{0} of {1} cells are done": "{1} 个单元中完成了 {0} 个",
        "{0}: no such file ({1})": "{0}：没有这个文件（{1}）",
        "{0} beats {1} by {2} points": "{0} 胜过 {1}，高 {2} 个百分点",
        "the {0} helps: {1}": "{0} 有帮助：{1}",
        "First {0}. Then {1}.": "先 {0}，再 {1}。",
    }
)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Only errors.", "只显示错误。"),
        ("3 of 5 cells are done", "5 个单元中完成了 3 个"),
        ("posts: no such file (/tmp)", "posts：没有这个文件（/tmp）"),  # a value of one word is a name
        ("the image helps: gated beats text by 2 points", "image 有帮助：gated 胜过 text，高 2 个百分点"),
        ("The image helps: a beats b by 1 points.", "image 有帮助：a 胜过 b，高 1 个百分点。"),  # as a sentence
        ("3 of 5 cells are done. Only errors.", "5 个单元中完成了 3 个。只显示错误。"),
        ("First this. Then that.", "先 this，再 that。"),
        ("\n  3 of 5 cells are done\nOnly errors.\n", "\n  5 个单元中完成了 3 个\n只显示错误。\n"),
        ("Nobody has translated this. Only errors.", "Nobody has translated this. 只显示错误。"),
        ("positive", "positive"),
        ("", ""),
    ],
)
def test_a_text_is_translated_by_what_it_fills(english: str, chinese: str) -> None:
    assert KNOWN.translate(english) == chinese


def test_of_several_messages_the_one_with_most_words_of_its_own_is_meant() -> None:
    known = Catalogue({"{0} ({1})": "{0}（{1}）", "{0} is not known ({1})": "不认识 {0}（{1}）"})
    assert known.translate("x is not known (y)") == "不认识 x（y）"
    assert known.translate("X is not known (y).") == "不认识 x（y）。"


def test_a_full_stop_is_no_part_of_a_value() -> None:
    known = Catalogue({"{0} from {1}": "{0} ← {1}", "{0} rose from {1} to {2} %": "{0} 由 {1} % 升至 {2} %"})
    assert known.translate("Joy rose from 18 to 26 %.") == "joy 由 18 % 升至 26 %。"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "MOODFUSE_LANG": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_system_is_asked_ours_first(environment: dict[str, str], found: str) -> None:
    assert system_language(environment) == found


def test_a_message_of_next_to_no_words_fills_no_sentence_by_chance() -> None:
    known = Catalogue({"{0} from {1}": "{0} ← {1}", "{0} ({1} to {2})": "{0}（{1} 至 {2}）", "of {0}": "{0} 中"})
    assert known.translate("concat from text") == "concat ← text"
    assert known.translate("It rose from 18 (17 to 19)") == "It rose from 18 (17 to 19)"
    assert (
        known.translate("a 14.4 (9.9 to 19.4)   20.9 (13.1 to 27.9)") == "a 14.4（9.9 至 19.4）   20.9（13.1 至 27.9）"
    )
    assert known.translate("of 5 % a (1 to 9), 3 % b (2, 4) and 2 % c (1 to 3)") == (
        "5 % a（1 至 9）、3 % b (2, 4)、2 % c（1 至 3） 中"
    )


def test_names_that_look_like_ours_stay_as_they_are() -> None:
    known = Catalogue({"{0} from {1}": "{0} ← {1}", "{0} alone": "仅 {0}", "run {0}": "运行 {0}", "seed": "种子"})
    known_too = Catalogue(
        {"{0}: no post has a label ({1} read)": "{0}：没有标签（读了 {1} 条）", "it has {0}": "它有 {0}"}
    )
    for text in ("Wool from Japan", "a/home alone", "runs/wool from japan/x"):
        assert known.translate(text) == text
    assert known.translate("run runs/salt and pepper") == "运行 runs/salt and pepper"
    assert known_too.translate("posts :(.csv: no post has a label (3 read)") == "posts :(.csv：没有标签（读了 3 条）"
    assert known_too.translate("it has recipe, config, seed") == "它有 recipe, config, seed"


def test_many_values_in_one_another_take_no_time() -> None:
    known = Catalogue({"{0} from {1}": "{0} ← {1}", "{0} to {1}": "{0} → {1}"})
    text = " from ".join(f"w{i} to v{i}" for i in range(30))
    began = time.perf_counter()
    known.translate(text)
    assert time.perf_counter() - began < 2


def test_a_process_speaks_english_until_it_is_told_otherwise() -> None:
    assert language() == "en"
    assert translate("Only errors.") == "Only errors."
    speak("zh")
    try:
        assert translate("Only errors.") == "只显示错误。"
    finally:
        speak("en")
