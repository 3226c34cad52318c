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
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh"]
#: Where the language is asked of, the first that is set: ours, then the system's.
VARIABLES = ("MOODFUSE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
CATALOGUE = Path(__file__).parent / "locale/zh/LC_MESSAGES/moodfuse.mo"

_GAP = re.compile(r"\{(\d+)\}")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=\S)")
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


class Catalogue:
    """Messages and their translations; a message has gaps `{0}`, `{1}` ... where its sentences have values."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        self._whole = {message: told for message, told in messages.items() if not _GAP.search(message)}
        gapped = [message for message in messages if message not in self._whole]
        gapped.sort(key=lambda message: len(_GAP.sub("", message)), reverse=True)  # the most words of its own first
        self._gapped = [(len(_GAP.sub("", message)), *_filled(message), messages[message]) for message in gapped]

    def translate(self, text: str) -> str:
        """Return the translation of a text, or of each of its lines or sentences that has one."""
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
        told = ""
        for sentence, piece in zip(sentences, pieces, strict=True):
            told += f"{sentence} " if piece is None else piece  # a Chinese full stop needs no blank behind it
        return told.rstrip()

    def _sentence(self, text: str) -> str | None:
        """Return the translation of one sentence, also where a capital and a full stop were put to it, or taken off."""
        own, told = self._message(text)
        if text.endswith("."):
            own_bare, bare = self._message(text[:1].lower() + text[1:-1])
            return f"{bare}。" if bare is not None and own_bare > own else told
        if told is None:
            told = self._message(f"{text}.")[1]
            return told and told.removesuffix("。")
        return told

    def _message(self, text: str) -> tuple[int, str | None]:
        """Return the translation of a message, and how much of the text is the message's own: no value in a gap."""
        if text in self._whole:
            return len(text) + 1, self._whole[text]
        for own, words, pattern, told in self._gapped:
            if words in text and (found := pattern.fullmatch(text)):
                # A value of one word is a name, a number or a path; one of several may be a sentence in its turn.
                values = [self.translate(value) if " " in value else value for value in found.groups()]
                return own, _GAP.sub(lambda gap, values=values: values[int(gap[1])], told)  # type: ignore[misc]
        return 0, None


def _filled(message: str) -> tuple[str, re.Pattern[str]]:
    """Return the longest words of a message's own, and a pattern of the sentences that fill it."""
    words = _GAP.split(message)[::2]
    return max(words, key=len), re.compile("(.*?)".join(map(re.escape, words)))


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    import gettext

    with CATALOGUE.open("rb") as file:
        read = gettext.GNUTranslations(file)
    # gettext has no public way to list its messages, only to look one up.
    return Catalogue({message: told for message, told in vars(read)["_catalog"].items() if message})
