"""What `behaviours.py` asks: the texts of `texts/LANGUAGE.yaml`, and what is made of them, as probes.

The sentences are our own. Those of the nine languages say nearly the same things, so their rates compare. None of their
words of sentiment, things and sentence patterns is one that `benchmarks/default/teaching.py` teaches (tested).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from probes import forms

LANGUAGES = ("en", "zh", "ar", "fr", "de", "hi", "it", "pt", "es")
#: The language of what is in none: emoji, symbols, nothing.
NONE = "-"
#: A text's label is one of `labels`; two texts have one label; the probability of the class in `labels` rises from the
#: first text to the second; a text must, or must not, carry a word of warning.
Check = Literal["label", "same", "rises", "flagged", "readable"]
_EXPECTED = {"not negative": frozenset({"neutral", "positive"})}
_LABELLED = (
    "plain",
    "negation",
    "negated negative",
    "double negation",
    "contrast",
    "neutral facts",
    "glued emoji",
)

#: Every kind, in the order of the table.
KINDS = (
    *_LABELLED[:-1],
    *forms.EMOJI_ALONE,
    "glued emoji",
    "emoji beside a fact",
    "added words",
    *forms.FORMS,
    "stretched",
    "HTML entities",
    "names",
    "addresses",
    "unreadable",
    "unlisted language",
    "readable",
)


class Probe(NamedTuple):
    """One thing that is asked of a model: one or two texts, and what must hold of its answers."""

    kind: str
    language: str
    check: Check
    texts: tuple[str, ...]
    labels: frozenset[str] = frozenset()


def all_probes() -> list[Probe]:
    """Return every probe, in an order that never changes."""
    spoken = {language: read_texts(language) for language in LANGUAGES}
    probes = [probe for language, texts in spoken.items() for probe in _labelled(language, texts)]
    for kind, expected in forms.EMOJI_ALONE.items():
        for label, rows in expected.items():
            probes += [Probe(kind, NONE, "label", (row,), frozenset({label})) for row in rows]
    for language, texts in spoken.items():
        probes += [*_rises(language, texts), *_same(language, texts), *_readable(language, texts)]
    probes += [Probe("unreadable", NONE, "flagged", (text,)) for text in forms.UNREADABLE]
    for language, unlisted in read_texts("unlisted").items():
        probes += [Probe("unlisted language", language, "flagged", (text,)) for text in unlisted]
    return sorted(probes, key=lambda probe: KINDS.index(probe.kind))


def read_texts(name: str) -> dict[str, Any]:
    """Return a file of texts by its sections."""
    path = Path(__file__).with_name("texts") / f"{name}.yaml"
    return dict(yaml.safe_load(path.read_text("utf-8")))


def _labelled(language: str, texts: dict[str, Any]) -> Iterator[Probe]:
    for kind in _LABELLED:
        for label, of_label in texts.get(kind, {}).items():
            for text in of_label:
                yield Probe(kind, language, "label", (text,), _EXPECTED.get(label, frozenset({label})))


def _rises(language: str, texts: dict[str, Any]) -> Iterator[Probe]:
    """Yield neutral facts and the same with an emoji, or with words, that speak for a class."""
    facts, few = texts["neutral facts"]["neutral"], 16 if language == "en" else 2
    for fact, (sign, label) in zip(facts[:few], cycle(forms.EMOJI_BESIDE), strict=False):
        yield Probe("emoji beside a fact", language, "rises", (fact, f"{fact} {sign}"), frozenset({label}))
    added = [(words, label) for label, rows in texts.get("added words", {}).items() for words in rows]
    for fact, (words, label) in zip(reversed(facts), added, strict=False):
        yield Probe("added words", language, "rises", (fact, f"{fact}. {words}"), frozenset({label}))


def _same(language: str, texts: dict[str, Any]) -> Iterator[Probe]:
    """Yield texts beside the same with another name, with an address, or in another form."""
    for row in texts["names"]:
        yield Probe("names", language, "same", tuple(row["text"].format(name=name) for name in row["names"]))
    for kind in ("addresses", "stretched"):
        for pair in texts.get(kind, ()):
            yield Probe(kind, language, "same", tuple(pair))
    for number, text in enumerate(texts.get("entities", ())):
        yield Probe("HTML entities", language, "same", (text, forms.entities(text, twice=number % 2 == 1)))
    plain = texts["plain"]
    step = 3 if language == "en" else 2
    some = [*plain["positive"][::step], *plain["negative"][::step]]
    for kind, (change, languages) in forms.FORMS.items():
        changed = [(text, change(text)) for text in some if language in languages]
        yield from (Probe(kind, language, "same", pair) for pair in changed if pair[0] != pair[1])


def _readable(language: str, texts: dict[str, Any]) -> Iterator[Probe]:
    plain = texts["plain"]
    for text in (*texts.get("readable", ()), *plain["positive"][:2], *plain["negative"][:2]):
        yield Probe("readable", language, "readable", (text,))
