"""How a table of text is written: its separator, its quotes, its line ends. One decision for the whole file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Reading
from moodfuse.data.formats.columns import rank_of
from moodfuse.data.formats.encodings import Encoding
from moodfuse.data.formats.lines import head_text
from moodfuse.data.table_style import TableStyle

DELIMITERS = (",", ";", "\t", "|")
_LINES = 30  # looked at, beside the header
#: Excel's own way to name the separator, in a line before the header.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;|]*\s*', re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?\d+([.,])\d+")
#: What may as well be a whole number with commas between its thousands.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file of records is written.

    `quotes` says whether quotation marks stand around values; `blanks` that blanks stand before them; `returns` that
    lines end with a carriage return alone; `skip` that the first line names the separator. `decimal` stands in numbers.
    """

    encoding: Encoding
    delimiter: str
    quotes: bool = True
    blanks: bool = False
    returns: bool = False
    skip: bool = False
    decimal: str = "."

    @property
    def style(self) -> TableStyle:
        """How answers to the table are written, which is always in UTF-8.

        A mark says so to a spreadsheet that has read the table by its mark, or by the encoding of its own country.
        """
        mark = self.encoding.mark > 0 or self.encoding.name != "utf-8"
        return TableStyle(self.delimiter, self.decimal, mark, self.skip)

    def reader(self, lines: Iterable[str], *, quotes: bool = True) -> Any:
        """Return Python's reader of records; quotes that do not pair up are an error of it."""
        if quotes and self.quotes:
            return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=self.blanks, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=self.blanks)


def find_dialect(path: Path, default: str, reading: Reading) -> Dialect:
    """Look at the beginning of a file. `default` separates where nothing tells. Raises `DataError` for no such file."""
    head, encoding = head_text(path)
    first = _LINE_END.search(head)
    returns = first is not None and first[0] == "\r" and head.count("\r") - head.count("\r\n") > head.count("\n")
    lines = [line for line in head.split("\r" if returns else "\n") if line.strip("\r")]
    named = separator_line(lines[0]) if lines else None
    if named:
        lines = lines[1:]
    lines = [line.rstrip("\r") for line in lines[: _LINES + 1]]
    delimiter = named or _separator(lines, default, reading)
    quotes = reading.quotes == "double"
    blanks = quotes and _blanks_before_quotes(lines, delimiter)
    decimal = _decimal(lines[1:]) if delimiter == ";" else "."
    return Dialect(encoding, delimiter, quotes, blanks, returns, bool(named), decimal)


def separator_line(line: str) -> str | None:
    """Return the separator that a line names in Excel's way; `None`: it is no such line."""
    found = _SEPARATOR_LINE.fullmatch(line)
    return found[1] if found else None


def split_line(line: str, delimiter: str) -> list[str]:
    """Split a line alone; nothing where it cannot be."""
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a carriage return in the middle: the line is no header
        return []


def header_columns(header: str | None) -> list[tuple[str, list[str]]]:
    """Return the column names that a first line has by each separator, lower case, where it has several."""
    split = ((delimiter, split_line(header or "", delimiter)) for delimiter in DELIMITERS)
    return [(delimiter, [name.strip().lower() for name in names]) for delimiter, names in split if len(names) > 1]


def _separator(lines: list[str], default: str, reading: Reading) -> str:
    """Return the separator by which the header has the most names that are known, and the lines as many cells."""
    if not lines:
        return default
    wanted = {name.strip().lower() for name in reading.columns.values()}

    def score(delimiter: str) -> tuple[int, float, bool]:
        names = split_line(lines[0], delimiter)
        known = sum(_weight(name, wanted) for name in names)
        if len(names) < 2:
            return known, 0.0, delimiter == default
        same = sum(len(split_line(line, delimiter)) == len(names) for line in lines[1:])
        return known, 1.0 + same / len(lines), delimiter == default

    return max(DELIMITERS, key=score)


def _weight(name: str, wanted: set[str]) -> int:
    if name.strip().lower() in wanted:
        return 3
    rank = rank_of(name)
    return 0 if rank is None else 2 if rank[1] == 0 else 1


def _decimal(lines: list[str]) -> str:
    """Return what stands in the numbers of lines with semicolons: a comma, where some have one and none has a point."""
    found = set()
    for line in lines:
        for value in split_line(line, ";"):
            number = _DECIMAL.fullmatch(value.strip())
            if number and not _THOUSANDS.fullmatch(number[0]):
                found.add(number[1])
    return "," if found == {","} else "."


def _blanks_before_quotes(lines: list[str], delimiter: str) -> bool:
    """Say whether quotes stand behind blanks: a cell that seems to begin with both is another one without them."""
    before = re.compile(f'(?:^|{re.escape(delimiter)}) +"')
    for line in lines:
        if before.search(line):
            plain = next(csv.reader([line], delimiter=delimiter), [])
            if plain != split_line(line, delimiter) and any(value.lstrip(" ").startswith('"') for value in plain):
                return True
    return False
