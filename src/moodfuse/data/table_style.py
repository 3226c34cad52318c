"""How a table of text is written: what its answers take over."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORMULA = re.compile("'*[=+@\t\r-]")
_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?%?")


@dataclass(frozen=True, slots=True)
class TableStyle:
    """How a table of text is written, as far as the answers to it are written so, too.

    `decimal` stands in its numbers. `mark`: it begins with the byte order mark of UTF-8. `named`: its first line names
    the separator in Excel's way. `safe`: no cell of text is a formula to the program that opens it (`safe_text`).
    """

    delimiter: str = ","
    decimal: str = "."
    mark: bool = False
    named: bool = False
    safe: bool = False


PLAIN_CSV = TableStyle()


def safe_text(text: str) -> str:
    """Return a cell of text that no spreadsheet takes for a formula: with `'` before it where it could be one.

    Numbers stay. A cell that has `'` before a formula already gets one more, so that taking one away from each cell
    that begins with `'` and what begins a formula gives back what there was.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
