"""How a table of text is written: what its answers take over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableStyle:
    """How a table of text is written, as far as the answers to it are written so, too.

    `decimal` stands in its numbers. `mark`: it begins with the byte order mark of UTF-8. `named`: its first line names
    the separator in Excel's way.
    """

    delimiter: str = ","
    decimal: str = "."
    mark: bool = False
    named: bool = False


PLAIN_CSV = TableStyle()
