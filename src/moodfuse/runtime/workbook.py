"""Excel workbooks of answers, row by row: the one place that knows XlsxWriter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO

from moodfuse.errors import MissingExtraError, OutputError
from moodfuse.runtime.values import cell, whole
from moodfuse.staging import temporary_folder

#: What Excel opens, at most.
MAX_ROWS, MAX_COLUMNS, MAX_CHARS = 1_048_576, 16_384, 32_767
_EXACT = 2**53  # Excel's numbers are doubles: a longer whole number (an id) would change
_REMEDY = "write csv, jsonl or parquet, which hold it"


@contextmanager
def workbook_sink(file: BinaryIO, header: Sequence[str]) -> Iterator[Callable[[Sequence[Any]], None]]:
    """Give the function that adds a row to a workbook of one sheet; memory does not grow with rows.

    Text stays text, whatever it looks like: no formula, link or number is made of it. Raises `MissingExtraError`
    without XlsxWriter, and `OutputError` for what a sheet cannot hold: nothing is cut.
    """
    try:
        import xlsxwriter
    except ImportError:
        raise MissingExtraError(
            "writing Excel files needs XlsxWriter, which is not installed; pip install 'moodfuse[tables]'"
        ) from None
    if len(header) > MAX_COLUMNS:
        raise OutputError(f"{len(header):,} columns, but an Excel sheet holds {MAX_COLUMNS:,}; {_REMEDY}")
    # Until it is whole, a workbook's rows lie in a file of its own making.
    with temporary_folder("workbook") as folder:
        book = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": str(folder)})
        sheet = book.add_worksheet("posts")
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.freeze_panes(1, 0)
        rows = 0

        def write(values: Sequence[Any]) -> None:
            nonlocal rows
            if rows >= MAX_ROWS:
                raise OutputError(f"more than {MAX_ROWS - 1:,} posts, but an Excel sheet holds no more; {_REMEDY}")
            for column, value in enumerate(values):
                if isinstance(value, bool):
                    sheet.write_boolean(rows, column, value)
                elif _is_number(value):
                    sheet.write_number(rows, column, value)
                elif isinstance(value, datetime) and value.tzinfo is None and value.year >= 1900:
                    sheet.write_datetime(rows, column, value, moment)
                elif text := _text(value, f"row {rows + 1}, column {header[column][:80]!r}"):
                    sheet.write_string(rows, column, text)
            rows += 1

        write(header)
        yield write
        book.close()


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) <= _EXACT
    return isinstance(value, float) and math.isfinite(value)


def _text(value: Any, place: str) -> str:
    text = whole(cell(value))
    # Excel counts in UTF-16, where an emoji is two.
    units = len(text) if len(text) <= MAX_CHARS // 2 else len(text.encode("utf-16-le")) // 2
    if units > MAX_CHARS:
        raise OutputError(f"{place}: {units:,} characters, but an Excel cell holds {MAX_CHARS:,}; {_REMEDY}")
    return text
