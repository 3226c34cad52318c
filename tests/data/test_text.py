from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from moodfuse.config import Cleaning
from moodfuse.data.formats.encodings import decode
from moodfuse.data.posts import Status
from moodfuse.data.text import MAX_CHARS, Decoded, TextSpec, clean, prepare_text

ALL_OFF = Cleaning(retweets=False, mentions=False, urls=False, hashtags="keep", lower=False)
ALL_ON = Cleaning(retweets=True, mentions=True, urls=True, hashtags="strip", lower=False)
TWEET = "RT @ann_b: So HAPPY #sunny day with @bob https://t.co/AbC1 !"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Decoded("", "ascii")),
        (b"good day", Decoded("good day", "ascii")),
        ("naïve 好".encode(), Decoded("naïve 好", "utf-8")),
        ("今天很好…".encode("gb18030"), Decoded("今天很好…", "gb18030")),
        (b"\xef\xbb\xbfhi", Decoded("hi", "utf-8")),
        (b"\xff\xfeh\0i\0", Decoded("hi", "utf-16-le")),
        (b"\xfe\xff\0h\0i", Decoded("hi", "utf-16-be")),
        ("好".encode("utf-32"), Decoded("好", "utf-32-le")),
        (b"caf\xe9 ", Decoded("café ", "windows-1252", guessed=True)),
        (b"\x81 caf\xe9 ", Decoded("\ufffd café ", "windows-1252", lossy=True, guessed=True)),
        (b"\xff\xfeh\0i", Decoded("h\ufffd", "utf-16-le", lossy=True)),
        (b"\xef\xbb\xbfa\xff", Decoded("a\ufffd", "utf-8", lossy=True)),
    ],
)
def test_decode_finds_the_encoding(data: bytes, expected: Decoded) -> None:
    assert decode(data) == expected


@given(st.binary(max_size=200))
def test_decode_takes_any_bytes_and_loses_none_silently(data: bytes) -> None:
    found = decode(data)
    found.text.encode("utf-8")  # no lone surrogates
    if not found.lossy:
        assert data.endswith(found.text.encode(found.encoding)), "what is not lossy must encode back"


@given(st.text())
def test_utf_8_and_utf_16_texts_come_back(text: str) -> None:
    assert decode(text.encode()).text == text.removeprefix("\ufeff")
    if not text.startswith("\0"):  # after its mark, that would read as UTF-32
        assert decode(text.encode("utf-16")).text == text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, TWEET),
        ({"retweets": True}, "So HAPPY #sunny day with @bob https://t.co/AbC1 !"),
        ({"mentions": True}, "RT : So HAPPY #sunny day with https://t.co/AbC1 !"),
        ({"urls": True}, "RT @ann_b: So HAPPY #sunny day with @bob !"),
        ({"hashtags": "strip"}, "RT @ann_b: So HAPPY sunny day with @bob https://t.co/AbC1 !"),
        ({"hashtags": "drop"}, "RT @ann_b: So HAPPY day with @bob https://t.co/AbC1 !"),
        ({"hashtags": "split"}, TWEET),
        ({"lower": True}, TWEET.lower()),
    ],
)
def test_each_switch_does_its_own_thing(changes: dict[str, object], expected: str) -> None:
    assert clean(TWEET, ALL_OFF.model_copy(update=changes)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("look http://t.c… now", "look now"),
        ("look https://t… now", "look now"),
        ("cut off http…", "cut off"),
        ("see www.example.org/x?y=1 ok", "see ok"),
        ("看http://t.cn/R1x你好", "看 你好"),
        ("a\0b\x07c\td\r\ne\u3000f", "a b c d e f"),
        ("\ufeffhi \ud800there", "hi there"),
        ("mail me@example.org about C#", "mail me@example.org about C#"),
        ("#one#two ##three", "one two three"),
        ("@a@b hi", "hi"),
        ("rt @A_1 : hi", "hi"),
        ("RT http://t.co/x @ann: hi", "hi"),
        ("smart @home", "smart"),
        ("👨‍👩‍👧 ok", "👨‍👩‍👧 ok"),
    ],
)
def test_clean_with_all_on(text: str, expected: str) -> None:
    assert clean(text, ALL_ON) == expected


def test_a_hashtag_is_split_where_its_words_begin() -> None:
    cleaning = ALL_OFF.model_copy(update={"hashtags": "split"})
    assert (
        clean("#SoHappy at #Euro2016 #lol #USA #IAmHappy @SoHappy aB", cleaning)
        == "#So Happy at #Euro 2016 #lol #USA #I Am Happy @SoHappy aB"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WHAT A GREAT DAY lol", "what a great day lol"),
        ("ÇA SUFFIT!", "ça suffit!"),
        ("I LOVE this place", "I LOVE this place"),
        ("USA", "usa"),
        ("今天 5 !", "今天 5 !"),
    ],
)
def test_what_is_written_in_capitals_is_lowered(text: str, expected: str) -> None:
    assert clean(text, ALL_OFF.model_copy(update={"capitals": True})) == expected
    assert clean(text, ALL_OFF) == text


@given(
    st.one_of(st.text(), st.text(alphabet="aRTrt @#:/._hps…w\n你İΣ", max_size=60)),
    st.sampled_from(["keep", "strip", "drop", "split"]),
    st.booleans(),
    st.booleans(),
)
def test_clean_takes_any_text_and_is_idempotent(text: str, hashtags: str, lower: bool, capitals: bool) -> None:
    cleaning = ALL_ON.model_copy(update={"hashtags": hashtags, "lower": lower, "capitals": capitals})
    once = clean(text, cleaning)
    assert clean(once, cleaning) == once
    assert once == " ".join(once.split())
    once.encode("utf-8")


@pytest.mark.parametrize(
    "unit",
    [
        "#",
        "@",
        "#a",
        "@a",
        "RT ",
        "RT @",
        "http",
        "http://",
        "www.",
        " ",
        "\0",
        "a",
        "_@#",
        "&amp;",
        "&#39;",
        "&",
        "\u200d",
        "ｶﾞ",
        "e\u0301",
        "🏴\U000e0067",
    ],
)
def test_a_hostile_megabyte_is_no_work(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.perf_counter()
    clean(text, ALL_ON.model_copy(update={"hashtags": "drop", "lower": True}))
    assert time.perf_counter() - start < 0.5  # some milliseconds; seconds were it quadratic


def test_prepare_text_says_what_became_of_it() -> None:
    cleaning = ALL_ON
    assert prepare_text("good  day", cleaning) == ("good day", [])
    assert prepare_text(None, cleaning) == (None, [Status.TEXT_MISSING])
    assert prepare_text(" \n", cleaning) == (None, [Status.TEXT_EMPTY])
    assert prepare_text("@ann http://t.co/x", cleaning) == (None, [Status.TEXT_EMPTY])
    assert prepare_text("a\ufffd", cleaning, lossy=True) == ("a\ufffd", [Status.TEXT_DECODED_LOSSY])
    assert prepare_text("a" * MAX_CHARS, cleaning) == ("a" * MAX_CHARS, [])
    text, statuses = prepare_text("a" * (MAX_CHARS + 1), cleaning)
    assert (len(text or ""), statuses) == (MAX_CHARS, [Status.TEXT_TRUNCATED])


def test_the_spec_survives_json_and_refuses_what_it_does_not_know() -> None:
    spec = TextSpec(cleaning=Cleaning(lower=True), max_tokens=64, pad_id=1)
    assert TextSpec.model_validate_json(spec.model_dump_json()) == spec
    with pytest.raises(ValidationError, match="extra"):
        TextSpec.model_validate({**spec.model_dump(), "code": "x"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can&#39;t &amp; won&rsquo;t &lt;3", "I can't & won’t <3"),
        ("I can&amp;#39;t", "I can't"),
        ("AT&T R&D a&b; &copy=2 &;", "AT&T R&D a&b; &copy=2 &;"),
        ("Ｉ ｈａｔｅ ｔｈｉｓ ２", "I hate this 2"),
        ("𝗜 𝗵𝗮𝘁𝗲 𝓽𝓱𝓲𝓼 ⓗⓐⓣⓔ ﬁne", "I hate this hate fine"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("cafe\u0301", "café"),
        ("5 ™ ½ ３，４！ 10⁵ “x”…", "5 ™ ½ 3，4！ 10⁵ “x”…"),
        ("so\u200bft hy\u00adphen \u202eleft\u202c \u2066x\u2069", "soft hyphen left x"),
        ("a\ufe0fb\u200dc", "abc"),
        ("❤\ufe0f 👩\u200d💻 1\ufe0f\u20e3 👍🏽", "❤\ufe0f 👩\u200d💻 1\ufe0f\u20e3 👍🏽"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("🏴\U000e0067\U000e0062\U000e007f x\U000e0067", "🏴\U000e0067\U000e0062\U000e007f x"),
    ],
)
def test_what_hides_letters_is_undone_and_what_makes_emojis_stays(text: str, expected: str) -> None:
    assert clean(text, ALL_OFF) == expected
    assert clean(expected, ALL_OFF) == expected


@pytest.mark.parametrize("text", ["\u200b\u200b", "\u3164", "\u2800", "&nbsp;", "\u00ad\u2060", "\ufe0f"])
def test_a_text_that_nobody_sees_is_empty(text: str) -> None:
    assert prepare_text(text, ALL_OFF) == (None, [Status.TEXT_EMPTY])


def test_a_guess_is_told() -> None:
    assert prepare_text("a", ALL_OFF, guessed=True) == ("a", [Status.TEXT_DECODED_GUESS])


@given(st.text(alphabet="a&mp;#39lt\u200b\u200d\ufe0f👩❤Ａ𝗜\u0301eﾞｶ\u00ad @#🏴\U000e0067", max_size=40))
@example("a\u0301\u200d")
@example("&l\u200bt;")
@example("a\u200d\u0301\u200d")
def test_undoing_is_idempotent(text: str) -> None:
    once = clean(text, ALL_OFF)
    assert clean(once, ALL_OFF) == once
