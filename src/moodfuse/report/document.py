"""A report before it has a form: sections of blocks, which `page` makes HTML and `markdown` makes Markdown."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

#: Characters of a post that a page shows.
SHOWN_CHARS = 500
_NUMBER = re.compile(r"[+−-]?[\d,]+(\.\d+)?(e[+-]?\d+)?")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with its interval (0..1, or a difference of such), or without where there is none."""

    value: float
    low: float | None = None
    high: float | None = None
    #: write the sign, also of what is above 0: a difference
    signed: bool = False

    def __str__(self) -> str:
        head = number(self.value, signed=self.signed)
        if self.low is None or self.high is None:
            return head
        return f"{head} ({number(self.low, signed=self.signed)} to {number(self.high, signed=self.signed)})"


#: A row of a report's CSV.
Row = dict[str, str | int | float | None]
#: What stands in a table: `None` is shown as a dash, a float with three decimals.
Value = str | int | float | bool | Estimate | None


@dataclass(frozen=True, slots=True)
class Heading:
    """A title within a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain prose."""

    text: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the reader came for, in whole sentences, most important first."""

    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is missing or to be wary of: one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; numbers stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    caption: str = ""
    #: rows that stand out, by place
    marked: frozenset[int] = frozenset()
    #: folded away under its caption: for those who want it all
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: inline SVG from `figures` (colours follow the page), and what it shows in words."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures side by side where there is room."""

    figures: Sequence[Figure]
    #: three or four beside one another
    small: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG file with colours of its own, shown as it is (on white)."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are."""

    pairs: Sequence[tuple[str, Value]]


@dataclass(frozen=True, slots=True)
class Listing:
    """Text to be read as it is, folded away under its title."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """One post in a gallery. `thumbnail` is what `page.thumbnail` gives; `text` may be anything at all."""

    title: str
    thumbnail: str | None
    text: str | None
    facts: Sequence[tuple[str, Value]] = ()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Posts to look at."""

    cards: Sequence[Card]


Block = Heading | Paragraph | Verdicts | Notice | Table | Figure | Figures | Picture | Facts | Listing | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report under its own heading; `id` names it in links."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. `rows` are what its CSV holds: mappings with the same keys."""

    kind: str
    title: str
    subtitle: str
    sections: Sequence[Section]
    rows: Sequence[Row] = field(default_factory=tuple)


def number(value: float, *, signed: bool = False) -> str:
    """Return three decimals with a proper minus sign, a dash for what is no number."""
    if not math.isfinite(value):
        return "–"
    rounded = round(value, 3) + 0.0  # never "-0.000"
    return f"{rounded:{'+' if signed else ''}.3f}".replace("-", "−")


def shown(value: Value) -> str:
    """Return what a table shows for a value."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else readable(str(value))


def numeric(value: Value) -> bool:
    """Say whether a value stands to the right in its column: a number, a dash, a text that is but a number."""
    return not isinstance(value, bool) and (not isinstance(value, str) or bool(_NUMBER.fullmatch(value)))


def readable(text: str, limit: int = SHOWN_CHARS) -> str:
    """Return a post's text as a page may show it: no control or direction signs, at most `limit` characters.

    What was cut is said. Letters of every script stay as they are; the page gives each text a direction of its own.
    """
    kept = "".join(_visible(character) for character in text[: 4 * limit])
    short = _BLANKS.sub(" ", kept).strip()
    if len(short) <= limit and len(text) <= 4 * limit:
        return short
    return f"{short[:limit].rstrip()} … ({len(text):,} characters)"


def _visible(character: str) -> str:
    if character in "\t\n\r":
        return " "
    # Cc control, Cf format (direction overrides, zero width), Cs lone surrogates, Co private use, Cn unassigned;
    # the zero-width joiner holds emoji together
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} and character != "\u200d"
    return "" if hidden else character
