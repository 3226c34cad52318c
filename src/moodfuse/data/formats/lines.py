"""Files of lines, one at a time, all in one encoding."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn

from moodfuse.data.formats.encodings import SAMPLE_BYTES, Encoding, fits, judge, marked_encoding
from moodfuse.errors import DataError

_HEAD_BYTES = 65_536


def first_line(path: Path) -> str:
    """Return the first line of a text file. Raises `DataError` where there is none to read."""
    return _first_line(head_text(path)[0])


def opening(path: Path) -> str:
    """Return how a file starts: its first line; of a binary file the first 4 bytes as Latin-1.

    Raises `DataError` where there is nothing to read.
    """
    head = _head(path)
    binary = marked_encoding(head) is None and b"\0" in head.partition(b"\n")[0]
    return head[:4].decode("latin-1") if binary else _first_line(_text(path, head)[0])


def head_text(path: Path) -> tuple[str, Encoding]:
    """Return the lines that a text file begins with, and the encoding of the whole file.

    Raises `DataError` for an empty file and for what is no text.
    """
    return _text(path, _head(path))


def line_ends(path: Path) -> int:
    """Count the line ends of a file: about its rows, quickly."""
    with open_file(path) as file:
        feeds = returns = 0
        for block in iter(lambda: file.read(1 << 20), b""):
            feeds += block.count(b"\n")
            returns += 0 if feeds else block.count(b"\r")
    return feeds or returns


def file_encoding(path: Path) -> Encoding:
    """Return the encoding of a text file: one for all its lines. The file is read once, and not again while it stays.

    Raises `DataError` where it cannot be read.
    """
    state = file_state(path)
    return _file_encoding(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_encoding(path: Path, _size: int, _changed: int) -> Encoding:
    with open_file(path) as file:
        marked = marked_encoding(file.read(1024))
        if marked is not None:
            return marked
        file.seek(0)
        sample, broken = bytearray(), False
        while block := file.read(1 << 20) + file.readline(1 << 16):
            if block.isascii():
                continue
            broken = broken or not fits(block, "utf-8")
            if len(sample) < SAMPLE_BYTES:
                lines = (line for line in block.splitlines(keepends=True) if not line.isascii())
                sample += b"".join(islice(lines, SAMPLE_BYTES // 16))[: 2 * SAMPLE_BYTES]
            if broken and len(sample) >= SAMPLE_BYTES:
                break
    return judge(bytes(sample)) if broken else Encoding("utf-8")


def located_texts(
    path: Path, encoding: Encoding, offset: int = 0, *, returns: bool = False
) -> Iterator[tuple[int, str]]:
    """Yield every line from byte `offset` on with its line end, and where it begins.

    In UTF-16 and UTF-32, and where lines end with a carriage return alone (`returns`), only the beginning of the file
    can be begun at: every line says 0. Raises `DataError` for a file that grows meanwhile: reading it might never end,
    and its last line may be half a line.
    """
    with open_file(path) as file:
        size, name = os.fstat(file.fileno()).st_size, encoding.name
        offset = offset or encoding.mark
        file.seek(offset)
        if encoding.wide or returns:
            for line in io.TextIOWrapper(file, name, errors="replace", newline="" if returns else "\n"):
                refuse_growth(path, file.tell(), size)
                yield 0, line
            return
        for raw in file:
            begins, offset = offset, offset + len(raw)
            if offset > size:
                refuse_growth(path, offset, size)
            yield begins, raw.decode(name, "replace")


def _head(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(_HEAD_BYTES)


def _text(path: Path, head: bytes) -> tuple[str, Encoding]:
    """Decode the beginning of a file; a character that the end cuts is left out."""
    if not head.strip():
        raise DataError(f"{path}: the file is empty; expected a header line and a line for each post")
    encoding = file_encoding(path)
    if not encoding.wide and b"\0" in head.partition(b"\n")[0]:
        raise DataError(
            f"{path}: expected a text file (CSV, TSV, JSON or a guid,tag list), a workbook (.xlsx) or Parquet, "
            "found binary data"
        )
    decoder = codecs.getincrementaldecoder(encoding.name)("replace")
    return decoder.decode(head[encoding.mark :], final=len(head) < _HEAD_BYTES), encoding


def _first_line(text: str) -> str:
    return re.split("[\r\n]", text, maxsplit=1)[0]


def refuse_growth(path: Path, read: int, size: int) -> None:
    if read > size:
        raise DataError(f"{path}: somebody writes to it while it is read; wait for the end, or read a copy")


def csv_line(values: list[str], delimiter: str = ",") -> bytes:
    """Return a line of a table in UTF-8, cells between quotes where they must be."""
    line = io.StringIO()
    # A cell that holds \r is put between quotes only where \r is part of the line's end.
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(values)
    return line.getvalue()[:-2].encode() + b"\n"


def open_file(path: Path) -> io.BufferedReader:
    """Open a regular file for reading. Raises `DataError` in one line for everything else."""
    file_state(path)
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        cannot_read(path, error)


def file_state(path: Path) -> os.stat_result:
    """Return the size of a regular file, and when it changed. Raises `DataError` in one line for everything else."""
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        cannot_read(path, error)
    if stat.S_ISDIR(state.st_mode):
        raise DataError(f"{path}: expected a file, found a folder")
    if not stat.S_ISREG(state.st_mode):
        raise DataError(f"{path}: expected a regular file, found something else (a pipe or a device)")
    return state


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
    if len(data) < limit or marked_encoding(data):
        return data
    return data[: max(data.rfind(b" "), data.rfind(b"\n")) + 1] or data
