"""A report before it is formatted: sections of blocks, which `page` writes as HTML and `markdown` as Markdown."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from moodfuse.language import translate

#: Characters of a post that a page shows.
SHOWN_CHARS = 500
_NUMBER = re.compile(r"[+−-]?[\d,]+(\.\d+)?(e[+-]?\d+)?")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score (0..1), or a difference of scores, with its interval if there is one."""

    value: float
    low: float | None = None
    high: float | None = None
    #: whether the sign is also written for values above 0, as for a difference
    signed: bool = False

    def __str__(self) -> str:
        head = number(self.value, signed=self.signed)
        if self.low is None or self.high is None:
            return head
        return f"{head} ({number(self.low, signed=self.signed)} to {number(self.high, signed=self.signed)})"


#: A row of a report's CSV.
Row = dict[str, str | int | float | None]
#: A value in a table: `None` is shown as a dash, a float with three decimals.
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
    """The main results, in full sentences, the most important first."""

    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Notice:
    """A line about something that is missing or needs caution."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; numbers are aligned right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    caption: str = ""
    #: indices of the rows that are highlighted
    marked: frozenset[int] = frozenset()
    #: whether the table is folded under its caption, for details that few readers need
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: inline SVG from `figures` (its colours follow the page), and a caption."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures, side by side if there is room."""

    figures: Sequence[Figure]
    #: whether three or four fit in a row
    small: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG file with its own colours, shown unchanged on white."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values."""

    pairs: Sequence[tuple[str, Value]]


@dataclass(frozen=True, slots=True)
class Listing:
    """Verbatim text, folded under its title."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A post in a gallery. `thumbnail` comes from `page.thumbnail`; `text` is untrusted."""

    title: str
    thumbnail: str | None
    text: str | None
    facts: Sequence[tuple[str, Value]] = ()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Posts with their texts and thumbnails, folded under a title if there is one."""

    cards: Sequence[Card]
    title: str = ""


Block = Heading | Paragraph | Verdicts | Notice | Table | Figure | Figures | Picture | Facts | Listing | Gallery


@dataclass(frozen=True, slots=True)
class PageSection:
    """A part of a report with its own heading; links use `id`."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A complete report. `rows` are the rows of its CSV: mappings with the same keys."""

    kind: str
    title: str
    subtitle: str
    sections: Sequence[PageSection]
    rows: Sequence[Row] = field(default_factory=tuple)


def number(value: float, *, signed: bool = False) -> str:
    """Return the number with three decimals and a typographic minus sign; a dash if it is not finite."""
    if not math.isfinite(value):
        return "–"
    rounded = round(value, 3) + 0.0  # never "-0.000"
    return f"{rounded:{'+' if signed else ''}.3f}".replace("-", "−")


def shown(value: Value) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return translate("yes" if value else "no")
    if isinstance(value, Estimate):
        return translate(str(value))
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else readable(str(value))


def numeric(value: Value) -> bool:
    """Return whether a value is aligned right in its column: a number, a dash, or a text that is only a number."""
    return not isinstance(value, bool) and (not isinstance(value, str) or bool(_NUMBER.fullmatch(value)))


def readable(text: str, limit: int = SHOWN_CHARS) -> str:
    """Return a post's text as a page may show it: no control or direction characters, at most `limit` characters.

    A text that is cut ends with the length of the full text. Letters of all scripts are kept; the page sets the
    direction of each text separately.
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
