"""A report in the language of its reader: all words that moodfuse says, none of posts, names, settings and ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from moodfuse.language import language, translate
from moodfuse.report.document import (
    Block,
    Card,
    Document,
    Facts,
    Figure,
    Figures,
    Gallery,
    Heading,
    Listing,
    Notice,
    Paragraph,
    Picture,
    Table,
    Value,
    Verdicts,
)


def spoken(document: Document) -> Document:
    """Return the document in the language that is spoken; the rows of its CSV stay as they are."""
    if language() == "en":
        return document
    sections = [
        replace(one, title=translate(one.title), blocks=[_block(block) for block in one.blocks])
        for one in document.sections
    ]
    kind, subtitle = translate(document.kind), translate(document.subtitle)
    return replace(document, kind=kind, subtitle=subtitle, sections=sections)


def _block(block: Block) -> Block:
    match block:
        case Heading() | Paragraph() | Notice():
            return replace(block, text=translate(block.text))
        case Verdicts():
            return replace(block, lines=[translate(line) for line in block.lines])
        case Table():
            columns = [translate(column) for column in block.columns]
            rows = [[_value(cell) for cell in row] for row in block.rows]
            return replace(block, columns=columns, rows=rows, caption=translate(block.caption))
        case Figure() | Picture():
            return replace(block, caption=translate(block.caption))
        case Figures():
            return replace(block, figures=[replace(one, caption=translate(one.caption)) for one in block.figures])
        case Facts():
            return replace(block, pairs=_pairs(block.pairs))
        case Listing():
            return replace(block, title=translate(block.title))
        case Gallery():
            return replace(block, cards=[_card(card) for card in block.cards], title=translate(block.title))


def _card(card: Card) -> Card:
    return replace(card, facts=_pairs(card.facts))


def _pairs(pairs: Sequence[tuple[str, Value]]) -> list[tuple[str, Value]]:
    return [(translate(name), _value(value)) for name, value in pairs]


def _value(value: Value) -> Value:
    """Return a value of a table: a single word is a name, a label or a status, and stays."""
    return translate(value) if isinstance(value, str) and " " in value else value
