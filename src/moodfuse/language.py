"""The language that people read: English, or Chinese by a gettext catalogue (`locale/`, written by `make catalogue`).

Sentences are English where they are made, passed on and kept on disk, and for programs they stay so. `translate` stands
where a person is about to read one. It finds the Chinese of a sentence, or of the message that the sentence fills:
"3 of 5 cells are done" fills "{0} of {1} cells are done". What the catalogue does not know is shown in English.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
#: Where the language is asked of, the first that is set: ours, then the system's.
VARIABLES = ("MOODFUSE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
CATALOGUE = Path(__file__).parent / "locale/zh/LC_MESSAGES/moodfuse.mo"

_GAP = re.compile(r"\{(\d+)\}")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=\S)")
_CELLS = re.compile(r"(\s{2,})")
_IN_A_LIST = re.compile(r"(?:, (?:and )?| and )(?![^(]*\))")  # not within brackets
_PATH = re.compile(r"[/\\]")
_SEVERAL_WORDS = re.compile(r"(?<![\w-])[A-Za-z]{2,} [A-Za-z]{2,}(?![\w=-])")
_NAME = re.compile(r"[A-Z][a-z]+")
_FEW_LETTERS = 10
_MOST_KEPT = 4_096  # texts whose translation is kept
_spoken: Language = "en"


def speak(language: Language) -> None:
    """Let `translate` give this language from now on; a process begins with English, whatever its system speaks."""
    global _spoken
    _spoken = language


def language() -> Language:
    """Return the language that is spoken."""
    return _spoken


def system_language(environment: Mapping[str, str] = os.environ) -> Language:
    """Return Chinese if the first of the variables that is set names it, else English."""
    named = next((found for name in VARIABLES if (found := environment.get(name))), "")
    return "zh" if named.lower().startswith("zh") else "en"


def translate(text: str) -> str:
    """Return a text for people in the language that is spoken; English, and what is not in the catalogue, unchanged."""
    return text if _spoken == "en" else _catalogue().translate(text)


class _Gapped(NamedTuple):
    """A message with gaps, the longest of its own words, and its translation."""

    words: str
    pattern: re.Pattern[str]
    told: str
    #: Whether it begins with a gap and has next to no words of its own: other sentences would fill it by chance.
    weak: bool


class Catalogue:
    """Messages and their translations; a message has gaps `{0}`, `{1}` ... where its sentences have values."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        self._whole = {message: told for message, told in messages.items() if not _GAP.search(message)}
        gapped = [message for message in messages if message not in self._whole]
        gapped.sort(key=_own_words, reverse=True)  # the most words of its own first
        self._gapped = [_filled(message, messages[message]) for message in gapped]
        self._kept: dict[str, str] = {}

    def translate(self, text: str) -> str:
        """Return the translation of a text, or of each of its lines, cells or sentences that has one."""
        if text not in self._kept:  # values are tried in many messages
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[text] = self._translated(text)
        return self._kept[text]

    def _translated(self, text: str) -> str:
        core = text.strip()
        if not core:
            return text
        return text.replace(core, self._whole.get(core) or self._lines(core))

    def _lines(self, text: str) -> str:
        if "\n" in text:
            return "\n".join(self.translate(line) for line in text.split("\n"))
        sentences = _SENTENCES.split(text)
        pieces = [self._sentence(sentence) for sentence in sentences]
        if None in pieces and (told := self._sentence(text)) is not None:
            return told  # one message of several sentences
        if None in pieces and len(cells := _CELLS.split(text)) > 1:
            return "".join(map(self.translate, cells))
        told = ""
        for sentence, piece in zip(sentences, pieces, strict=True):
            told += f"{sentence} " if piece is None else piece  # a Chinese full stop needs no blank behind it
        return told.rstrip()

    def _sentence(self, text: str) -> str | None:
        """Return the translation of one sentence, also where a capital and a full stop were put to it, or taken off."""
        stop = text.endswith(".")
        other = self._message(text[:1].lower() + text[1:-1] if stop else f"{text}.")
        if stop and other:
            other = other[0], f"{other[1]}。"
        known = [found for found in (self._message(text), other) if found]
        if not known:
            return self._behind_a_name(text)
        told = max(known, key=itemgetter(0))[1]
        return told if stop else told.removesuffix("。")

    def _behind_a_name(self, text: str) -> str | None:
        """Return the translation of what is said of something that is named first, such as a file and its line."""
        named, _, said = text.partition(": ")
        told = self._sentence(said) if said else None
        return told and f"{named}：{told}"

    def _message(self, text: str) -> tuple[int, str] | None:
        """Return the translation of a message, and how many signs of its own it has: the more, the surer it is it."""
        if text in self._whole:
            return len(text), self._whole[text]
        broken = None  # with a value that does not close its brackets, such as :(
        for message in self._gapped:
            if message.words not in text or not (found := message.pattern.fullmatch(text)):
                continue
            values = [self._value(value) for value in found.groups()]
            if message.weak and not all(map(_no_name, found.groups(), values)):
                continue
            own = len(text) - sum(map(len, found.groups()))
            told = _GAP.sub(lambda gap, values=values: values[int(gap[1])], message.told)  # type: ignore[misc]
            if all(map(_brackets_close, found.groups())):
                return own, told
            if broken is None and not message.weak:
                broken = own, told
        return broken

    def _value(self, value: str) -> str:
        """Return a value in its turn: a word is a name, a number or a path; several may be a sentence or a list."""
        if " " not in value:
            return value
        told = self.translate(value)
        if told != value:
            return told
        given = _IN_A_LIST.split(value)
        pieces = [self.translate(piece) if " " in piece else piece for piece in given]
        return value if pieces == given or any(map(_SEVERAL_WORDS.search, pieces)) else "、".join(pieces)


def _own_words(message: str) -> int:
    return len(_GAP.sub("", message))


def _filled(message: str, told: str) -> _Gapped:
    words = _GAP.split(message)[::2]
    letters = sum(map(str.isalpha, "".join(words)))
    pattern = re.compile("(.*?)".join(map(re.escape, words)))
    weak = not words[0] and letters < _FEW_LETTERS and not any(": " in word for word in words)
    return _Gapped(max(words, key=len), pattern, told, weak)


def _no_name(value: str, told: str) -> bool:
    """Return whether a value may be ours to speak of: no path, no name with a capital, no words that stay English."""
    return not _PATH.search(value) and not _NAME.match(value) and not _SEVERAL_WORDS.search(told)


def _brackets_close(value: str) -> bool:
    """Return whether every bracket of a value is closed in it: what begins within one is no value."""
    depth = 0
    for sign in value:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return depth == 0


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    import gettext

    with CATALOGUE.open("rb") as file:
        read = gettext.GNUTranslations(file)
    # gettext has no public way to list its messages, only to look one up.
    return Catalogue({message: told for message, told in vars(read)["_catalog"].items() if message})
