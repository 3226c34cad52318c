"""The probes of behaviour share nothing with what the packaged model is taught, and the script counts right."""

import json
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from moodfuse.runtime.bundle import default_bundle

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "behaviours.py"
sys.path.insert(0, str(SCRIPT.parent))

import behaviours  # noqa: E402
from behaviours import Answer, judge, rows, wilson  # noqa: E402
from default import teaching  # noqa: E402
from probes import KINDS, LANGUAGES, Probe, all_probes, forms, read_texts  # noqa: E402

PROBES = all_probes()
WITHOUT_BLANKS = {"zh", "ar", "hi"}  # a word is looked for anywhere: no blanks, or words that grow at both ends
every = pytest.mark.parametrize("language", LANGUAGES)


def plain(text: str) -> str:
    """Return a text in small letters, without the dots that Hindi writes or leaves out, and without punctuation."""
    bare = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.casefold()).replace("\u093c", ""))
    return " ".join(re.sub("[.,!?;:\"'¡¿。，！؟،]", " ", bare).split())


def spoken(language: str) -> set[str]:
    """Return the texts in a language as they are written down, before they take another form."""
    return {plain(text) for probe in PROBES if probe.language == language for text in probe.texts[:1]} | {
        plain(probe.texts[1]) for probe in PROBES if probe.language == language and probe.check == "rises"
    }


def taught_words(language: str) -> list[str]:
    """Return the words of sentiment and the things that a language is taught with, things without this, my, the."""
    taught = teaching.LANGUAGES[language]
    things = [thing.split()[-1] for thing in taught.things]
    if language == "zh":
        things = [re.sub("^(这个|这家|这部|我的|今天的)", "", thing) for thing in things]
    if language == "ar":
        things = [thing.removeprefix("ال").removesuffix("ي") for thing in things]
    return [plain(word) for word in (*taught.good, *taught.bad, *things)]


def holds(text: str, word: str, language: str) -> bool:
    """Tell whether a text holds a word or, where it is long enough to tell, a form of it."""
    if language in WITHOUT_BLANKS:
        return word in text
    stem = word[:-1] if len(word) > 5 else word
    return any(token == word or (len(word) > 4 and token.startswith(stem)) for token in re.findall(r"\w+", text))


def taught_patterns(language: str) -> list[re.Pattern[str]]:
    """Return the sentences that a language is taught with as patterns: things of up to three words, `{a}` of one."""
    taught = teaching.LANGUAGES[language]
    kinds = (taught.plain, taught.negated, taught.contrast, taught.twice, taught.gladdens, taught.saddens)
    templates = [one for kind in (*kinds, taught.lacks, taught.spares, taught.facts, taught.faultless) for one in kind]
    parts = {"t": ".{1,6}", "a": ".{1,3}", "b": ".{1,3}", "n": r"\d+"}
    if language != "zh":
        parts = {"t": r"\S+(?: \S+){0,2}", "a": r"\S+", "b": r"\S+", "n": r"\d+"}
    literal = [one for one in map(plain, templates) if re.sub(r"\{\w\}", "", one).strip()]
    return [re.compile(re.sub(r"\\\{(\w)\\\}", lambda gap: parts[gap[1]], re.escape(one))) for one in literal]


@every
def test_no_word_and_no_thing_of_a_probe_is_taught(language: str) -> None:
    words = taught_words(language)
    assert len(words) > 15
    assert [(text, word) for text in spoken(language) for word in words if holds(text, word, language)] == []


@every
def test_no_probe_is_a_sentence_that_is_taught(language: str) -> None:
    patterns = taught_patterns(language)
    assert [(text, one.pattern) for text in spoken(language) for one in patterns if one.fullmatch(text)] == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "My uncle isn't tired at all"),
        ("de", "Die Suppe ist nicht warm"),
        ("zh", "这碗汤不热"),
        ("ar", "الحساء ليس ساخنا"),
        ("hi", "यह सूप गरम नहीं है"),
    ],
)
def test_a_taught_sentence_with_other_words_would_be_found(language: str, text: str) -> None:
    assert any(one.fullmatch(plain(text)) for one in taught_patterns(language))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "What a delightfully odd day"),
        ("de", "ein schöner Tag"),
        ("zh", "真的很无聊"),
        ("ar", "كتابي"),
        ("hi", "मज़ेदार"),
    ],
)
def test_a_taught_word_would_be_found(language: str, text: str) -> None:
    assert any(holds(plain(text), word, language) for word in taught_words(language))


def test_newer_emoji_are_none_that_are_taught() -> None:
    pytest.importorskip("emosent")
    taught = set(teaching.Emoji(np.random.default_rng(0)).signs)
    newer = {sign for of in forms.EMOJI_ALONE["newer emoji alone"].values() for row in of for sign in row}
    old = {sign for of in forms.EMOJI_ALONE["emoji alone"].values() for row in of for sign in row}
    assert not newer & taught
    assert old - {"\ufe0f"} <= taught


def test_probes_are_several_hundred_of_every_kind_each_once_and_always_the_same() -> None:
    assert 400 <= len(PROBES) <= 800
    assert len(set(PROBES)) == len(PROBES)
    assert list(dict.fromkeys(probe.kind for probe in PROBES)) == list(KINDS)
    assert all_probes() == PROBES
    for probe in PROBES:
        assert len(probe.texts) == len(set(probe.texts)) == (2 if probe.check in ("same", "rises") else 1)
        assert bool(probe.labels) == (probe.check in ("label", "rises"))
    counts = Counter((probe.language, probe.kind) for probe in PROBES)
    for kind in ("plain", "negation", "negated negative", "contrast", "neutral facts", "names"):
        assert all(counts[language, kind] >= 2 for language in LANGUAGES)
    labels = Counter(label for probe in PROBES if probe.kind == "plain" for label in probe.labels)
    assert labels["positive"] == labels["negative"]
    assert not set(read_texts("unlisted")) & set(LANGUAGES)


def test_two_bundles_of_one_name_are_told_apart() -> None:
    names = [name for name, _ in behaviours.named_predictors([default_bundle()] * 2)]
    assert names == ["default_bundle", "default_bundle (2)"]


def answer(label: str, positive: float = 0.5, statuses: tuple[str, ...] = (), *, review: bool = False) -> Answer:
    return Answer(label, {"negative": 0.1, "neutral": 0.9 - positive, "positive": positive}, statuses, review)


@pytest.mark.parametrize(
    ("check", "first", "last", "passes"),
    [
        ("label", answer("positive"), None, True),
        ("label", answer("neutral"), None, False),
        ("same", answer("neutral"), answer("neutral"), True),
        ("same", answer("neutral"), answer("positive"), False),
        ("rises", answer("neutral", 0.5), answer("neutral", 0.56), True),
        ("rises", answer("neutral", 0.5), answer("positive", 0.54), False),
        ("rises", answer("neutral", 0.96), answer("positive", 0.955), True),
        ("flagged", answer("neutral", statuses=("text_empty",)), None, True),
        ("flagged", answer("neutral", review=True), None, True),
        ("flagged", answer("neutral"), None, False),
        ("readable", answer("neutral", review=True), None, True),
        ("readable", answer("neutral", statuses=("text_truncated",)), None, False),
    ],
)
def test_a_probe_passes_when_its_answers_are_what_it_asks_for(
    check: str, first: Answer, last: Answer | None, passes: bool
) -> None:
    texts = ("one",) if last is None else ("one", "two")
    labels = frozenset({"positive"}) if check in ("label", "rises") else frozenset()
    probe = Probe("plain", "en", check, texts, labels)
    assert judge(probe, {"one": first, "two": last or first}) is passes


def test_wilson_is_that_of_the_field() -> None:
    statsmodels = {(8, 10): (0.4902, 0.9433), (0, 12): (0.0, 0.2425), (12, 12): (0.7575, 1.0)}
    for (passed, n), interval in statsmodels.items():
        assert wilson(passed, n) == pytest.approx(interval, abs=1e-4)


def test_rows_add_up_and_name_languages_without_texts_unlisted() -> None:
    passed = [number % 3 == 0 for number in range(len(PROBES))]
    found = {row[:2]: row for row in rows(PROBES, passed)}
    assert found["all", "all"][2:] == (sum(passed), len(PROBES))
    of_plain = [row for (kind, language), row in found.items() if kind == "plain" and language != "all"]
    assert sum(row.passed for row in of_plain) == found["plain", "all"].passed
    assert sum(row.n for row in of_plain) == found["plain", "all"].n
    assert [language for kind, language in found if kind == "unlisted language"] == ["unlisted"]
    assert [language for kind, language in found if kind == "double negation"] == ["en"]


def test_two_models_are_tested_on_the_probes_that_both_were_asked() -> None:
    few = [probe for probe in PROBES if probe.kind == "plain"][:11]
    passes = {"a": [True] * 10 + [None], "b": [False] * 8 + [True] * 3}
    lines = behaviours.tests(few, passes, "a", "b")
    assert "| all | 8 | 0 | 0.0078 |  |" in lines
    assert "| plain | 8 | 0 | 0.0078 | 0.0078 |" in lines


def test_the_packaged_bundle_twice_beside_the_lexicon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = PROBES[::40]
    packaged = str(behaviours.Predictor.load().bundle.folder)
    monkeypatch.setattr(behaviours, "all_probes", lambda: some)
    arguments = [packaged, packaged, "--vader", "--wrong", "--json", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", ["behaviours.py", *arguments])
    behaviours.main()
    shown = capsys.readouterr().out
    assert "| kind | language | n | default_bundle | default_bundle (2) | VADER |" in shown
    assert "| default_bundle beside default_bundle (2) | only" in shown
    assert "default_bundle fails:" in shown
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert len(found["probes"]) == len(some)
    for probe in found["probes"]:
        assert probe["passes"]["default_bundle"] == probe["passes"]["default_bundle (2)"]
        assert (probe["passes"]["VADER"] is None) == (
            probe["language"] not in ("en", "-") or probe["check"] in ("flagged", "readable")
        )
        assert "image_missing" not in probe["answers"]["default_bundle"][0]["statuses"]
