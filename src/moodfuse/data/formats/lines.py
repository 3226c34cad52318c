"""Files of lines and of cells, one at a time, every line decoded for itself."""

from __future__ import annotations

import codecs
import csv
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from moodfuse.data.text import Decoded, decode
from moodfuse.errors import DataError

_HEAD_BYTES = 65_536
#: Characters of a cell: a text of a megabyte must pass. The csv module keeps the limit for the whole process.
csv.field_size_limit(max(csv.field_size_limit(), 2**24))


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record, the line where it starts, the header's width, how its lines were encoded.

    `offset` is where its bytes begin, 0 where reading cannot begin there.
    """

    line: int
    values: list[str]
    columns: int
    encoding: str
    lossy: bool
    offset: int = 0


def first_line(path: Path) -> str:
    """Return the first line of a text file. Raises `DataError` where there is none to read."""
    with open_file(path) as file:
        head = file.read(_HEAD_BYTES)
    if not head.strip():
        raise DataError(f"{path}: the file is empty; expected a header line and a line for each post")
    if _wide(head) is None:
        head, newline, _ = head.partition(b"\n")
        if b"\0" in head:
            raise DataError(
                f"{path}: expected a text file (CSV, TSV, JSONL or a guid,tag list) or Parquet, found binary data"
            )
        return decode(head + newline).text.rstrip("\r\n")
    return decode(head).text.partition("\n")[0].rstrip("\r")


def opening(path: Path) -> str:
    """Return how a file starts: its first line; of a binary file the first 4 bytes as Latin-1.

    Raises `DataError` where there is nothing to read.
    """
    with open_file(path) as file:
        head = file.read(_HEAD_BYTES)
    binary = _wide(head) is None and b"\0" in head.partition(b"\n")[0]
    return head[:4].decode("latin-1") if binary else first_line(path)


def line_ends(path: Path) -> int:
    """Count the line ends of a file: about its rows, quickly."""
    with open_file(path) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def decoded_lines(path: Path) -> Iterator[Decoded]:
    """Yield every line with its line end. Lines of one file may be encoded differently."""
    return (line for _, line in located_lines(path))


def located_lines(path: Path, offset: int = 0) -> Iterator[tuple[int, Decoded]]:
    """Yield every line from byte `offset` on, with where it begins.

    In UTF-16 and UTF-32 only the beginning of the file can be begun at: every line says 0. Raises `DataError` for a
    file that grows meanwhile: reading it might never end, and its last line may be half a line.
    """
    with open_file(path) as file:
        size, wide = os.fstat(file.fileno()).st_size, _wide(file.peek(4))
        if wide is None:
            file.seek(offset)
            for raw in file:
                begins, offset = offset, offset + len(raw)
                _refuse_growth(path, offset, size)
                yield begins, decode(raw)
            return
        for line in io.TextIOWrapper(file, wide, errors="replace", newline="\n"):
            _refuse_growth(path, file.tell(), size)
            yield 0, Decoded(line, wide, lossy="\ufffd" in line)


def _refuse_growth(path: Path, read: int, size: int) -> None:
    if read > size:
        raise DataError(f"{path}: somebody writes to it while it is read; wait for the end, or read a copy")


def records(path: Path, delimiter: str, *, offset: int = 0, line: int = 0, columns: int = 0) -> Iterator[Record]:
    """Yield the records of a CSV or TSV file, its header included; blank lines are none.

    Reading may begin at the `offset` of a record, `line` lines down, where the header has so many `columns`.
    Raises `DataError` for quotes that do not pair up: read leniently, they would swallow the rows that follow.
    """
    seen: list[Decoded] = []
    begins = offset

    def texts() -> Iterator[str]:
        nonlocal begins
        for at, found in located_lines(path, offset):
            begins = begins if seen else at
            seen.append(found)
            yield found.text

    rows = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        start = line + rows.line_num + 1
        seen.clear()
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path} line {start}: {error}; put a cell that holds quotes, separators or line ends "
                'between quotes, and double the quotes (") in it'
            ) from None
        if values:
            columns = columns or len(values)
            encoding = next((found.encoding for found in seen if found.encoding != "ascii"), "ascii")
            yield Record(start, values, columns, encoding, any(found.lossy for found in seen), begins)


def csv_line(values: list[str], delimiter: str = ",") -> bytes:
    """Return a line of a table in UTF-8, cells between quotes where they must be."""
    line = io.StringIO()
    # A cell that holds \r is put between quotes only where \r is part of the line's end.
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(values)
    return line.getvalue()[:-2].encode() + b"\n"


def open_file(path: Path) -> io.BufferedReader:
    """Open a regular file for reading. Raises `DataError` in one line for everything else."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{path}: expected a file, found a folder")
        if not stat.S_ISREG(mode):
            raise DataError(f"{path}: expected a regular file, found something else (a pipe or a device)")
        return path.open("rb")
    except (OSError, ValueError) as error:
        cannot_read(path, error)


def cannot_read(path: Path, error: OSError | ValueError) -> NoReturn:
    """Raise the `DataError` that tells why a path could not be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        raise DataError(f"{path}: no such file or folder; check the path (from {Path.cwd()})") from None
    if isinstance(error, PermissionError):
        raise DataError(f"{path}: may not be read; check its permissions") from None
    raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from None


def read_capped(file: BinaryIO, limit: int) -> bytes:
    """Read `limit` bytes at most; where that cuts, cut after a blank, so that no character is split."""
    data = file.read(limit)
    if len(data) < limit or _wide(data):
        return data
    return data[: max(data.rfind(b" "), data.rfind(b"\n")) + 1] or data


def _wide(head: bytes) -> str | None:
    """Return the codec of a file that starts with a UTF-16 or UTF-32 mark: a newline is more than a byte there."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return None
