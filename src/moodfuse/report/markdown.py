"""A report as Markdown, and its rows as CSV. Only the HTML page has figures and thumbnails."""

from __future__ import annotations

import re
from collections.abc import Sequence

from moodfuse.files import csv_text
from moodfuse.language import translate
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
    Verdicts,
    numeric,
    readable,
    shown,
)
from moodfuse.report.translation import spoken

# Characters with a meaning in Markdown, or in the HTML within it.
_SIGNS = re.compile(r"([\\`*_\[\]<>|#~&!])")


def markdown(document: Document) -> str:
    """Return a document as GitHub-flavoured Markdown, in the language that is spoken."""
    document = spoken(document)
    lines = [f"# {_plain(document.kind)}: {_plain(document.title)}", "", _plain(document.subtitle), ""]
    for section in document.sections:
        lines += [f"## {_plain(section.title)}", ""]
        for block in section.blocks:
            if written := _block(block):
                lines += [*written, ""]
    return "\n".join(lines).rstrip() + "\n"


def csv_rows(document: Document) -> str:
    """Return the rows of a document as CSV with a header; an empty text if there are none."""
    return csv_text(document.rows) if document.rows else ""


def _block(block: Block) -> list[str]:
    match block:
        case Heading():
            return [f"### {_plain(block.text)}"]
        case Paragraph():
            return [_plain(block.text)]
        case Notice():
            return [f"> {_plain(block.text)}"]
        case Verdicts():
            return [f"- **{_plain(line)}**" if i == 0 else f"- {_plain(line)}" for i, line in enumerate(block.lines)]
        case Table():
            return _table(block)
        case Facts():
            return [f"- {_plain(name)}: {_plain(shown(value))}" for name, value in block.pairs]
        case Listing():
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block.text)), default=0))
            return [f"{_plain(block.title)}:", "", fence, block.text, fence]
        case Gallery():
            title = [f"{_plain(block.title)}:", ""] if block.title else []
            return [*title, *(_card(card) for card in block.cards)]
        case Figure() | Figures() | Picture():
            return []


def _table(table: Table) -> list[str]:
    right = [bool(table.rows) and all(numeric(row[i]) for row in table.rows) for i in range(len(table.columns))]
    lines = [f"{_plain(table.caption)}:", ""] if table.caption else []
    lines += [
        _row(table.columns),
        "|" + "|".join("---:" if numbers and i else "---" for i, numbers in enumerate(right)) + "|",
    ]
    return lines + [_row([shown(cell) for cell in row]) for row in table.rows]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _card(card: Card) -> str:
    facts = "; ".join(f"{_plain(name)}: {_plain(shown(value))}" for name, value in card.facts)
    text = f" “{_plain(readable(card.text))}”" if card.text else f" ({translate('no text')})"
    return f"- **{_plain(readable(card.title, 60))}**{text} {facts}"


def _plain(text: str) -> str:
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))
