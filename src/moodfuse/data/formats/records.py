"""The records of a table of text, one at a time: none is swallowed by a quotation mark that is none."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from moodfuse.data.formats.base import Reading
from moodfuse.data.formats.dialect import Dialect, find_dialect
from moodfuse.data.formats.lines import located_texts
from moodfuse.errors import DataError

_SHOWN = 5  # places of a kind that are told
_GIVEN_UP = 3  # quotes that stay open to the end: then they are no quotes
#: Lines of a record: of a quote that is never closed no more are read, and kept, before it is taken for none.
_RECORD_LINES = 10_000
_ENDLESS = f"a record has more than {_RECORD_LINES:,} lines"
#: Characters of a cell: a text of a megabyte must pass. The csv module keeps the limit for the whole process.
csv.field_size_limit(max(csv.field_size_limit(), 2**24))


class Record(NamedTuple):
    """The cells of a record, the line where it starts, and where its bytes begin (0: reading cannot begin there)."""

    line: int
    values: list[str]
    offset: int


_new = tuple.__new__  # five times as fast as calling the class


@dataclass(slots=True)
class Doubts:
    """Places where what was read may not be what was meant."""

    places: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, place: str) -> None:
        self.count += 1
        if len(self.places) < _SHOWN:
            self.places.append(place)

    def told(self) -> str:
        return ", ".join(self.places) + (f" and {self.count - len(self.places):,} more" if self.count > _SHOWN else "")


class Records(Iterator[Record]):
    """The records of a file, its header first where reading begins at the beginning; blank ones are none.

    Reading may begin at the byte `offset` of a record, `line` lines down, where the header has so many columns
    (`width`). With `reading.strict`, quotes that do not pair up are a `DataError`; else they are characters of the
    line where they stand. `reading.notify` is told of those at the end, and of cells that span lines and hold as
    many separators as a record: they may be records that a quote has swallowed.
    """

    def __init__(
        self, path: Path, dialect: Dialect, reading: Reading, *, offset: int = 0, line: int = 0, width: int = 0
    ) -> None:
        self.path, self.dialect, self._reading = path, dialect, reading
        self.width = width
        #: Records that have more cells than the header: whoever finds one adds it.
        self.surplus = Doubts()
        self._wide, self._odd, self._open = Doubts(), Doubts(), 0
        self._seen: list[tuple[int, str]] = []
        self._again: deque[tuple[int, str]] = deque()
        self._lines = located_texts(path, dialect.encoding, offset, returns=dialect.returns)
        if dialect.skip and not offset:
            next(self._lines, None)
            line += 1
        self._line = line  # lines before those that `_rows` has read
        self._rows = dialect.reader(self._texts())
        self._records = self._read()

    @classmethod
    def of(cls, path: Path, default: str, reading: Reading) -> Records:
        """Open a file whose dialect is not known yet; `default` separates where nothing tells."""
        return cls(path, find_dialect(path, default, reading), reading)

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def __next__(self) -> Record:
        return next(self._records)

    def _texts(self) -> Iterator[str]:
        """Yield lines for the reader of records, those first that it has to read again."""
        seen, again = self._seen, self._again
        while again:
            seen.append(again.popleft())
            if len(seen) > _RECORD_LINES:
                raise csv.Error(_ENDLESS)
            yield seen[-1][1]
        for found in self._lines:
            seen.append(found)
            if len(seen) > _RECORD_LINES:
                raise csv.Error(_ENDLESS)
            yield found[1]

    def _read(self) -> Iterator[Record]:
        seen = self._seen
        start = self._line + 1
        while True:
            try:
                values = next(self._rows)
            except StopIteration:
                self._tell()
                return
            except csv.Error as error:
                values = self._as_characters(start, error)
            if values and (values[0].strip() or any(map(str.strip, values))):
                if not self.width:
                    self.width = len(values)
                if len(seen) > 1:
                    self._look(start, values)
                yield _new(Record, (start, values, seen[0][0]))
            seen.clear()
            start = self._line + self._rows.line_num + 1

    def _look(self, start: int, values: list[str]) -> None:
        """Note a record of several lines that may be several records."""
        least = self.width - 1
        if least and any("\n" in value and value.count(self.dialect.delimiter) >= least for value in values):
            self._wide.add(f"{start}-{start + len(self._seen) - 1}")

    def _as_characters(self, start: int, error: csv.Error) -> list[str]:
        """Read the line of a record again, its quotes as characters; the lines behind it are read anew."""
        if self._reading.strict:
            raise DataError(
                f"{self.path} line {start}: {error}; put a cell that holds quotes, separators or line ends "
                'between quotes, and double the quotes (") in it, or read quotes as characters: --quotes none'
            ) from None
        first, *rest = self._seen
        self._odd.add(str(start))
        self._open += len(rest) > 1_000 or "end of data" in str(error) or "limit" in str(error)
        self._again = deque([*rest, *self._again])
        del self._seen[1:]
        text, end = first[1].rstrip("\r\n"), first[1][len(first[1].rstrip("\r\n")) :]
        line = text.replace("\r", " ").replace("\0", " ") + end
        self._line = start
        self._rows = self.dialect.reader(self._texts(), quotes=self._open < _GIVEN_UP)
        try:
            return next(self.dialect.reader([line], quotes=False), [])
        except csv.Error:  # longer than a cell may be
            return [text[: csv.field_size_limit()]]

    def _tell(self) -> None:
        if self._wide.count:
            self._reading.notify(
                f"{self.path}: a cell on lines {self._wide.told()} spans lines and holds as many separators as a "
                "row: if its quotes are none, rows are lost in it; --quotes none reads quotes as characters"
            )
        if self._odd.count:
            self._reading.notify(
                f"{self.path}: quotes that do not pair up are read as characters on line {self._odd.told()}"
            )
        if self.surplus.count:
            self._reading.notify(
                f"{self.path}: more cells than the header's {self.width} on line {self.surplus.told()}: "
                "the last column has the rest"
            )


def fitted(table: Records, line: int, values: list[str], reading: Reading) -> list[str | None]:
    """Return a record with as many cells as the header: `None` for what is missing, the last cell with all there is.

    Raises `DataError` if `reading.strict` for both.
    """
    width = table.width
    surplus = any(value.strip() for value in values[width:])
    if reading.strict and (surplus or len(values) < width):
        raise DataError(
            f"{table.path} line {line}: expected {width} cells as in the header, found {len(values)}; "
            "put a cell that holds separators between quotes"
        )
    if surplus:
        table.surplus.add(str(line))
        return [*values[: width - 1], table.dialect.delimiter.join(values[width - 1 :])]
    return [*values[:width], *[None] * (width - len(values))]
