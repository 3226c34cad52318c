"""A text in a language that is not covered is told where that is sure, and where it is not, nothing is said."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from moodfuse.data import coverage
from moodfuse.data.coverage import LANGUAGES, CoveredLanguages
from moodfuse.errors import MissingExtraError

NINE = CoveredLanguages(["ar", "de", "en", "es", "fr", "hi", "it", "pt", "zh"])
ENGLISH = CoveredLanguages(["en"])

OTHERS = {
    "ca": "Quin dia més bonic hem passat a la platja",
    "cs": "Jaký krásný den jsme měli u moře",
    "da": "Sikke en dejlig dag vi havde ved stranden",
    "fa": "امروز روز خیلی خوبی کنار دریا داشتیم",
    "fi": "Mikä ihana päivä meillä oli rannalla",
    "hr": "Hrana je bila hladna, a usluga još gora",
    "hu": "Milyen szép napunk volt a tengerparton",
    "id": "Hari ini sangat indah, kami pergi ke pantai",
    "ja": "新作映画公開決定！楽しみすぎる",
    "nl": "Wat een mooie dag was het vandaag in het park",
    "no": "Takk for alt, vi sees snart igjen",
    "pl": "Jaki piękny dzień mieliśmy nad morzem",
    "ro": "Ce zi frumoasă am avut la mare",
    "sv": "Jag är så trött på det här vädret",
    "sw": "Tulikuwa na siku nzuri sana ufukweni leo",
    "tl": "Ang ganda ng araw namin sa dagat",
    "tr": "Yemek soğuktu, servis daha da kötüydü",
    "ur": "آج ہم نے سمندر پر بہت اچھا دن گزارا",
    "vi": "Hôm nay trời đẹp quá, chúng tôi đi biển rất vui",
}
SCRIPTS = {
    "Armenian": "Այսօր ծովում շատ գեղեցիկ օր էր",
    "Bengali": "খুব খারাপ",
    "Cherokee": "ᎣᏏᏲ ᏙᎯᏧ",
    "Cyrillic": "очень плохо",
    "Ethiopic": "ዛሬ በጣም ቆንጆ ቀን ነበር",
    "Georgian": "დღეს ძალიან ლამაზი დღე იყო",
    "Greek": "πολύ κακό",
    "Hangul": "좋아요",
    "Hebrew": "גרוע מאוד",
    "Kana": "最高でした",
    "Tamil": "மிக மோசம்",
    "Thai": "แย่มาก",
}
COVERED = [
    "What a lovely day we had at the beach",
    "Was für ein schöner Tag am Strand",
    "Quelle belle journée à la plage",
    "Che bella giornata al mare con gli amici",
    "Qué día tan bonito pasamos en la playa",
    "Que dia lindo nós passamos na praia",
    "今天在海边玩得真开心，谢谢大家陪我",
    "قضينا يوما جميلا جدا على الشاطئ",
    "आज समुद्र किनारे बहुत अच्छा दिन बीता",
    "aaj ka din bahut accha tha dosto, maza aa gaya",  # Hindi in Latin letters, which py3langid does not know
]


@pytest.mark.parametrize("language", OTHERS)
def test_a_sentence_in_another_language_is_told(language: str) -> None:
    near = {"no": {"no", "da", "sv"}, "da": {"da", "no"}, "hr": {"hr", "bs", "sr", "sl"}, "id": {"id", "ms"}}
    text = OTHERS[language]
    found = {"Kana script"} if language == "ja" else near.get(language, {language})
    assert NINE.outside(text) in found
    assert NINE.outside(f"RT @someone: {text} #love https://example.org/a 😡") in found


@pytest.mark.parametrize("text", COVERED)
def test_a_sentence_in_a_covered_language_is_not(text: str) -> None:
    assert NINE.outside(text) is None


def test_what_is_covered_by_another_model_is_not_by_this_one() -> None:
    assert [ENGLISH.outside(text) is not None for text in COVERED[:9]] == [False] + [True] * 8


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_that_no_covered_language_has_needs_few_letters(script: str) -> None:
    assert NINE.outside(SCRIPTS[script]) == f"{script} script"
    assert NINE.outside(f"{SCRIPTS[script]} #monday @anna 12:30 🎉") == f"{script} script"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!! 12:30 😡",
        "ok",
        "lekker eten",  # Dutch, but of ten letters
        "大嫌い",
        "(ಠ_ಠ) (╯°□°)╯ ¯\\_(ツ)_/¯ ʕ•ᴥ•ʔ",
        "what a concert by 방탄소년단 last night",
        "Σ and Δ are in my maths exam",
        "我最爱的の小店",
        "#мир @вася https://example.org/a",
        "RT @user: ",
        "x" * 100_000,
    ],
)
def test_a_short_or_mixed_text_is_never_told(text: str) -> None:
    assert NINE.outside(text) is None


def test_languages_that_are_hard_to_tell_apart_count_together_and_only_where_not_covered() -> None:
    text = "Maten var kald og betjeningen enda verre"  # Norwegian, or nearly Danish
    assert NINE.outside(text) in {"no", "da"}
    assert CoveredLanguages(["en", "no", "da", "sv"]).outside(text) is None
    assert CoveredLanguages(["en", "id"]).outside(OTHERS["id"]) is None


def test_a_covered_language_is_thought_of_however_rare() -> None:
    text = "Wat 'n pragtige dag was dit nie by die strand vandag nie"  # Afrikaans
    assert ENGLISH.outside(text) == "nl"
    assert CoveredLanguages(["en", "af"]).outside(text) is None


def test_latin_letters_are_no_other_script_to_anybody() -> None:
    hindi = CoveredLanguages(["hi"])
    assert hindi.outside("aaj ka din bahut accha tha dosto, maza aa gaya") is None
    assert hindi.outside("What a lovely day we had at the beach") == "en"


def test_the_codes_are_of_two_letters_and_each_has_a_script() -> None:
    assert all(len(code) == 2 and code.isalpha() for code in LANGUAGES)
    assert {"en", "zh", "ja", "ko", "sr"} <= LANGUAGES


def test_no_model_is_unpacked_for_a_script_or_a_short_text() -> None:
    code = (
        "import sys\n"
        "from moodfuse.data.coverage import CoveredLanguages\n"
        "covered = CoveredLanguages(['en', 'ru'])\n"
        "print(covered.outside('좋아요 정말 좋아요'), covered.outside('short text'), 'py3langid' in sys.modules)\n"
        "korean = CoveredLanguages(['ko']).outside('오늘 바다에서 정말 좋은 하루를 보냈어요')\n"
        "print(korean, 'py3langid' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Hangul script None False\nNone False\n"


@pytest.mark.parametrize(
    "error", [MissingExtraError("telling languages needs py3langid"), OSError(28, "No space left on device")]
)
def test_where_the_model_cannot_be_had_the_script_alone_decides_and_one_line_says_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> dict[str, float]:
        raise error

    monkeypatch.setattr(coverage, "rank_languages", refuse)
    covered = CoveredLanguages(["en"])
    with caplog.at_level(logging.WARNING):
        assert [covered.outside(text) for text in (OTHERS["nl"], OTHERS["tr"], "очень плохо")] == [
            None,
            None,
            "Cyrillic script",
        ]
    [line] = caplog.messages
    assert "script alone" in line
