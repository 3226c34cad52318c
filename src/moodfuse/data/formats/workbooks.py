"""Workbooks of spreadsheets: Excel's and LibreOffice's. The one place that knows python-calamine."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.fields import short, unique_names
from moodfuse.data.formats.lines import file_state, open_file
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.values import typed
from moodfuse.errors import DataError, in_a_line

#: What LibreOffice and others write at the beginning of a workbook.
_SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"
#: Whole numbers that a spreadsheet keeps whole: ids with more digits lose the last ones.
_WHOLE = 10**15


@reader
class WorkbookReader(Reader):
    """A sheet of .xlsx, .xls or .ods, by default the first that holds anything; columns as in CSV."""

    name = "xlsx"
    priority = 15  # four bytes and what an archive holds tell it
    suffixes = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

    def recognises(self, path: Path, header: str | None) -> bool:
        if (header or "").startswith("PK\3\4"):
            return path.suffix.lower() in self.suffixes or _holds_workbook(path)
        return (header or "").startswith("\xd0\xcf\x11\xe0")

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        with _sheet(path, reading, last=True) as (rows, told_of_choice):
            if told_of_choice:
                reading.notify(told_of_choice)
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
                row = found.row(shown, number, fields)
                row.line = line  # that of the sheet, where blank rows count
                yield row

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        with _sheet(path, reading) as (rows, _):
            return _header(rows, path)[0]

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        names = self.columns(path, reading)
        return typed(names, path, reading).columns.names(names)

    def count(self, path: Path, reading: Reading) -> int:
        with _sheet(path, reading) as (rows, _):
            return max(0, sum(1 for _ in rows) - 1)


def _holds_workbook(path: Path) -> bool:
    """Say whether an archive is a workbook, whatever its name: Excel keeps one in xl/, LibreOffice names its kind."""
    try:
        with open_file(path) as file, ZipFile(file) as archive:
            names = archive.namelist()
            kind = archive.open("mimetype").read(100) if "mimetype" in names else b""
    except (BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):  # damaged, or locked with a password
        return False
    return any(name.startswith("xl/") for name in names) or kind.startswith(_SPREADSHEET)


@contextmanager
def _sheet(path: Path, reading: Reading, *, last: bool = False) -> Iterator[tuple[Iterator[list[Any]], str | None]]:
    """Give the rows of a sheet, and what there is to tell of the choice; with `last` memory lets go of it afterwards.

    Raises `DataError` for no workbook, and for a sheet that it lacks.
    """
    from python_calamine import CalamineError

    state = file_state(path)
    try:
        sheet, told = _loaded(path, reading.sheet, state.st_size, state.st_mtime_ns)
        yield iter(sheet.iter_rows()), told
    except (CalamineError, OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as a workbook ({in_a_line(error)}); save it anew as .xlsx or .csv"
        ) from None
    finally:
        if last:
            _loaded.cache_clear()


@lru_cache(maxsize=1)
def _loaded(path: Path, name: str | None, _size: int, _changed: int) -> tuple[Any, str | None]:
    """Return a sheet, by default the first that holds anything: its columns, its count and its rows are one reading."""
    from python_calamine import CalamineWorkbook

    with open_file(path) as file:
        book = CalamineWorkbook.from_filelike(file)
        names: list[str] = list(book.sheet_names)
        if name is not None:
            if name not in names:
                raise DataError(f"{path}: has no sheet {name!r}; it has {short(names)}")
            return book.get_sheet_by_name(name), None
        chosen, filled = None, []
        for one in names:
            sheet = book.get_sheet_by_name(one)
            if next(iter(sheet.iter_rows()), None):
                filled.append(one)
                chosen = chosen or sheet
    if chosen is None:
        raise DataError(f"{path}: the workbook is empty; expected a header row and a row for each post")
    if len(filled) == 1:
        return chosen, None
    return chosen, f"{path}: read the sheet {filled[0]!r} of {short(filled)} (--sheet NAME reads another)"


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
