"""Whether a text is in a language that a model was not taught: by its script, else by py3langid where that is sure."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

from moodfuse.data.languages import BARE, LONGEST, rank_languages
from moodfuse.data.text import clean
from moodfuse.errors import MissingExtraError

#: Letters that a text needs for its language to be asked after: of fewer, py3langid's guess is worth little.
LEAST_LETTERS = 12
#: Least probability of a language that is not covered, together with those that are hard to tell from it. So measured:
#: of 21,000 posts in nine languages at most 1 in 100 of each is flagged; of 100 short sentences in others 9 in 10 are.
SURE = 0.9
#: Letters of a script that no covered language is written in, for a text to count as written in it.
SCRIPT_LETTERS = 3

# Scripts as Unicode names them and the languages that are written in them, by their ISO 639-1 codes.
_WRITTEN = {
    "LATIN": "af an az br bs ca cs cy da de en eo es et eu fi fo fr fy ga gd gl ha hr ht hu id ig is it jv ku la lb lg "
    "ln lt lv mg ms mt nl nn no oc om pl pt qu ro rw se sk sl sn so sq sr st sv sw tk tl tr uz vi vo wa xh yo zu",
    "CYRILLIC": "ba be bg kk ky mk mn ru sr tg tt uk",
    "ARABIC": "ar fa ps ug ur",
    "DEVANAGARI": "hi mr ne sa",
    "CJK": "ja zh",
    "KANA": "ja",
    "BOPOMOFO": "zh",
    "HANGUL": "ko",
    "GREEK": "el",
    "HEBREW": "he",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
    "ETHIOPIC": "am",
    "THAI": "th",
    "LAO": "lo",
    "KHMER": "km",
    "MYANMAR": "my",
    "TIBETAN": "dz",
    "BENGALI": "as bn",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "ORIYA": "or",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
}
_LANGUAGES = {script: frozenset(codes.split()) for script, codes in _WRITTEN.items()}
#: Languages that a model may cover, by their ISO 639-1 codes.
LANGUAGES = frozenset[str]().union(*_LANGUAGES.values())
# Of those, the ones that are not thought of unless they are covered: slang and names are taken for them too often.
_SELDOM = (
    "af an ba br bs cy eo eu fo fy ga gd gl ha ht ig jv ku la lb lg ln mg mt nn oc om qu rw sa se sn so st tk vo wa xh "
    "yo zu"
)
_RARE = frozenset(_SELDOM.split())
# Languages so near to each other that which of them a short text is in is anybody's guess.
_NEAR = [frozenset(codes.split()) for codes in ("da nn no sv", "id ms", "bs hr sl sr", "cs sk")]
_SCRIPTS = {"HIRAGANA": "KANA", "KATAKANA": "KANA"}
# A word has two letters at least: those of a face, (ಠ_ಠ) or ¯\_(ツ)_/¯, stand alone.
_WORD = re.compile(r"[^\W\d_]{2,}")


class CoveredLanguages:
    """The languages that a model was taught."""

    def __init__(self, codes: Iterable[str]) -> None:
        self._codes = frozenset(codes)
        self._can_rank = True

    def outside(self, text: str) -> str | None:
        """Return what a text is surely in where that is none of these languages: an ISO 639-1 code, or a script.

        `None` is returned for a short text, for one in doubt, and where only py3langid could tell and is not there.
        """
        bare = clean(text[:LONGEST], BARE)
        script, letters, others = _main_script(bare)
        written = _LANGUAGES.get(script, frozenset())
        if not written & self._codes and script != "LATIN":  # in which many write what has another: Hindi, Arabic
            return f"{script.title()} script" if letters >= SCRIPT_LETTERS and letters > others else None
        candidates = written - _RARE | written & self._codes
        if letters < LEAST_LETTERS or candidates <= self._codes:
            return None
        return self._likeliest(bare, candidates)

    def _likeliest(self, text: str, candidates: frozenset[str]) -> str | None:
        if not self._can_rank:
            return None
        try:
            ranks = rank_languages(text, candidates)
        except (MissingExtraError, OSError) as error:
            self._can_rank = False
            logging.getLogger(__name__).warning("languages are told by their script alone: %s", error)
            return None
        others = {code: share for code, share in ranks.items() if code not in self._codes}
        best = max(others, key=others.__getitem__, default="")
        group = next((near for near in _NEAR if best in near), {best})
        return best if sum(share for code, share in others.items() if code in group) >= SURE else None


def _main_script(text: str) -> tuple[str, int, int]:
    """Return the script that most letters of a text's words are of, how many they are, and how many letters are not."""
    if text.isascii():
        return "LATIN", sum(map(len, _WORD.findall(text))), 0
    # A vowel that is a mark on its consonant parts no word.
    unmarked = "".join(sign for sign in text if unicodedata.category(sign)[0] != "M")
    counts: Counter[str] = Counter()
    for letter, count in Counter("".join(_WORD.findall(unmarked))).items():
        if script := _script(letter):
            counts[script] += count
    if counts["KANA"] >= SCRIPT_LETTERS and counts["CJK"] <= 3 * counts["KANA"]:
        counts["KANA"] += counts.pop("CJK", 0)  # Japanese: no Chinese text has as many
    script, letters = max(counts.items(), key=lambda one: one[1], default=("LATIN", 0))
    return script, letters, counts.total() - letters


@cache
def _script(letter: str) -> str:
    """Return the script of a letter, empty for one that is of several: a mark of length, a modifier."""
    if unicodedata.category(letter) == "Lm":
        return ""
    name = unicodedata.name(letter, "").partition(" ")[0]
    return _SCRIPTS.get(name, name)
