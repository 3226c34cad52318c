from __future__ import annotations

import builtins
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from py3langid import langid

from moodfuse import files
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.languages import BARE, _identifier, identify_language, rank_languages
from moodfuse.data.text import clean
from moodfuse.errors import MissingExtraError

SENTENCES = {
    "ar": ["الطقس جميل اليوم وأنا سعيد جدا", "لم يعجبني هذا الفيلم على الإطلاق", "شكرا لكم على هذه الليلة الرائعة"],
    "de": [
        "das ist nicht der Hund von mir",
        "Heute war leider alles schrecklich",
        "Ich freue mich auf das Wochenende",
    ],
    "en": [
        "this is what they told us about the weather",
        "I’m so happy that it’s you",
        "the worst service I ever had",
    ],
    "es": ["el perro y los gatos están muy cansados", "Qué día tan bonito hemos pasado", "no me gustó nada la comida"],
    "fr": ["c'est une belle journée pour nous", "Je suis tellement déçu par ce film", "merci à tous pour cette soirée"],
    "hi": ["आज मौसम बहुत अच्छा है", "मुझे यह फिल्म बिल्कुल पसंद नहीं आई", "आप सब का बहुत धन्यवाद"],
    "it": [
        "il cane non è con me, ma sono contento",
        "Che bella giornata abbiamo passato",
        "non mi è piaciuto affatto",
    ],
    "pt": ["não sei o que você tem para mim", "Que dia lindo nós passamos na praia", "a comida estava muito ruim hoje"],
    "zh": ["今天的天气真好", "我一点也不喜欢这部电影", "谢谢大家陪我度过这个美好的夜晚"],
}


@pytest.mark.parametrize(("language", "text"), [(code, text) for code, texts in SENTENCES.items() for text in texts])
def test_sentences(language: str, text: str) -> None:
    assert identify_language(text) == language


@pytest.mark.parametrize("text", ["", " \n", "😡😡😡", "!!! 12 😀", "2015-07-01 20:15", "❤️❤️", "-- ... --"])
def test_what_holds_no_letter_is_in_no_language(text: str) -> None:
    assert identify_language(text) is None


@pytest.mark.parametrize("text", ["ok", "Paris Roma", "hm", "lol", "\ud800 a"])
def test_what_could_be_many_is_left_undecided(text: str) -> None:
    assert identify_language(text) is None


def test_a_long_text_costs_no_more_than_its_beginning() -> None:
    assert identify_language("今天的天气真好。" * 2_000_000) == "zh"


def test_most_real_posts_have_a_language(posts_folder: object) -> None:
    texts = [clean(post.text or "", BARE) for post in read_posts(posts_folder)]
    worded = [text for text in texts if any(map(str.isalpha, text))]
    found = [identify_language(text) for text in worded]
    assert len(found) - found.count(None) > 0.7 * len(found)
    assert found.count("en") > 0.6 * len(found)


def test_nobody_waits_for_the_model_who_tells_no_language() -> None:
    code = (
        "import sys, moodfuse.data.audit.texts, moodfuse.data.languages\n"
        "moodfuse.data.languages.identify_language('12')\n"
        "print('py3langid' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_many_threads_unpack_the_model_once_and_a_fork_amid_it_has_it_whole() -> None:
    code = (
        "import os\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from moodfuse.data import languages\n"
        "languages.unpack_ahead()\n"
        "if (child := os.fork()) == 0:\n"  # amid the work of a thread that is not in the child
        "    os._exit(languages.identify_language('this is what they told us') != 'en')\n"
        "texts = ['this is what they told us about the weather'] * 8\n"
        "print(*ThreadPoolExecutor(8).map(languages.identify_language, texts))\n"
        "print(os.waitpid(child, 0)[1], languages._identifier.cache_info().misses)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "en en en en en en en en\n0 1\n"


def test_ranks_are_shares_among_the_languages_that_are_asked_about() -> None:
    ranks = rank_languages("Was für ein schöner Tag am Strand", {"de", "nl", "en", "tlh"})
    assert set(ranks) == {"de", "nl", "en"}
    assert sum(ranks.values()) == pytest.approx(1)
    assert ranks["de"] > 0.9
    assert rank_languages("some words", set()) == {}


def test_the_model_is_unpacked_once_and_its_copy_ranks_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path)
    texts = ["", "😀", "ALLES GUT!", *(text for sentences in SENTENCES.values() for text in sentences)]

    def ranks() -> list[list[tuple[str, float]]]:
        _identifier.cache_clear()
        return [_identifier().rank(text) for text in texts]

    unpacked = ranks()
    [copy] = (tmp_path / "languages").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(langid.LanguageIdentifier, "from_model_file", None)
        assert ranks() == unpacked
    (copy / "row.npy").write_bytes(b"no array")
    assert ranks() == unpacked
    shutil.rmtree(copy)
    copy.write_text("a file is in its place")
    assert ranks() == unpacked
    _identifier.cache_clear()


def test_without_py3langid_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("py3langid"):
            raise ModuleNotFoundError("No module named 'py3langid'", name="py3langid")
        return real(name, *rest)

    _identifier.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"py3langid.*pip install --upgrade moodfuse"):
        identify_language("some words")
