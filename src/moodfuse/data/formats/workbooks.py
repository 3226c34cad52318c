"""Workbooks of spreadsheets: Excel's and LibreOffice's. The one place that knows python-calamine."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.fields import short, unique_names
from moodfuse.data.formats.lines import open_file
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.values import typed
from moodfuse.errors import DataError, in_a_line

#: Whole numbers that a spreadsheet keeps whole: ids with more digits lose the last ones.
_WHOLE = 10**15


@reader
class WorkbookReader(Reader):
    """A sheet of .xlsx, .xls or .ods, by default the first that holds anything; columns as in CSV."""

    name = "xlsx"
    priority = 15  # four bytes and the name tell it
    suffixes = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

    def recognises(self, path: Path, header: str | None) -> bool:
        return path.suffix.lower() in self.suffixes and (header or "").startswith(("PK\3\4", "\xd0\xcf\x11\xe0"))

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        with _sheet(path, reading) as rows:
            names, records = _header(rows, path)
            found = typed(names, path, reading)
            id_at, told = found.columns.places.get("id"), False
            for number, (line, values) in enumerate(records, start=1):
                if id_at is not None and not told and _rounded(values[id_at]):
                    told = True
                    reading.notify(
                        f"{path} row {line}: the id {as_shown(values[id_at])} is a number of more than 15 digits, the "
                        "last of which a spreadsheet loses: several posts can have it; keep ids as text"
                    )
                shown = [as_shown(value) for value in values]
                fields = dict(zip(names, map(_kept, values), strict=True)) if reading.fields else None
                yield replace(found.row(shown, number, fields), line=line)

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        with _sheet(path, reading) as rows:
            return _header(rows, path)[0]

    def count(self, path: Path, reading: Reading) -> int:
        with _sheet(path, reading) as rows:
            return max(0, sum(1 for _ in rows) - 1)


@contextmanager
def _sheet(path: Path, reading: Reading) -> Iterator[Iterator[list[Any]]]:
    """Give the rows of a sheet. Raises `DataError` for no workbook, and for a sheet that it lacks."""
    from python_calamine import CalamineError, CalamineWorkbook

    with open_file(path) as file:
        try:
            book = CalamineWorkbook.from_filelike(file)
            name = _chosen(book, path, reading)
            yield iter(book.get_sheet_by_name(name).iter_rows())
        except (CalamineError, OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{path}: cannot be read as a workbook ({in_a_line(error)}); save it anew as .xlsx or .csv"
            ) from None


def _chosen(book: Any, path: Path, reading: Reading) -> str:
    names: list[str] = list(book.sheet_names)
    if reading.sheet is not None:
        if reading.sheet not in names:
            raise DataError(f"{path}: has no sheet {reading.sheet!r}; it has {short(names)}")
        return reading.sheet
    filled = [name for name in names if next(iter(book.get_sheet_by_name(name).iter_rows()), None)]
    if not filled:
        raise DataError(f"{path}: the workbook is empty; expected a header row and a row for each post")
    if len(filled) > 1:
        reading.notify(f"{path}: read the sheet {filled[0]!r} of {short(filled)} (--sheet NAME reads another)")
    return filled[0]


def _header(rows: Iterator[list[Any]], path: Path) -> tuple[tuple[str, ...], Iterator[tuple[int, list[Any]]]]:
    """Return the column names and the records below them with their row numbers, blank ones left out."""
    records = ((line, row) for line, row in enumerate(rows, start=1) if any(_filled(value) for value in row))
    first = next(records, None)
    if first is None:
        raise DataError(f"{path}: the sheet is empty; expected a header row and a row for each post")
    names = [as_shown(value) or "" for value in first[1]]
    while len(names) > 1 and not names[-1].strip():
        names.pop()
    width = len(names)
    return unique_names(names), ((line, [*row[:width], *[None] * (width - len(row))]) for line, row in records)


def _filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None


def as_shown(value: Any) -> str | None:
    """Return the text of a cell as a spreadsheet shows it; "" for an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    return str(value)


def _kept(value: Any) -> Any:
    """Return a cell as it comes back: text, a number or a truth."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return int(value)
    return value if isinstance(value, str | bool | int | float) else as_shown(value)


def _rounded(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _WHOLE
