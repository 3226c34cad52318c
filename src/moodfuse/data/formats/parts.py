"""A folder of files of one format (tables, JSON, workbooks), read one after another in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from moodfuse.data.formats.base import Reader, Reading, Row, Run
from moodfuse.data.formats.fields import held_in
from moodfuse.data.formats.registry import reader, readers
from moodfuse.data.table_style import TableStyle
from moodfuse.errors import DataError
from moodfuse.progress import Notify


@reader
class PartsReader(Reader):
    """Large sources come in many files. Where they give no ids, ids repeat from file to file."""

    name = "parts"
    priority = 90
    splits = True

    def recognises(self, path: Path, header: str | None) -> bool:
        return header is None and bool(_files(path))

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        reading = replace(reading, notify=_once(reading.notify))
        for file, one in _readers(path):
            yield from one.rows(file, reading)

    def files(self, path: Path) -> list[Path]:
        return part_files(path)

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for file, one in _readers(path) for name in one.columns(file, reading)))

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for file, one in _readers(path) for name in one.read_columns(file, reading)))

    def style(self, path: Path, reading: Reading) -> TableStyle:
        return next(one.style(file, reading) for file, one in _readers(path))

    def count(self, path: Path, reading: Reading) -> int:
        return sum(one.count(file, reading) for file, one in _readers(path))

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        reading = replace(reading, notify=_once(reading.notify))
        for file, one in _readers(path):
            yield from one.runs(file, reading, size)


def _once(notify: Notify) -> Notify:
    """Tell a line once: what a file says, the others say too."""
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            notify(line)

    return tell


def part_files(path: Path) -> list[Path]:
    """Return the files that a source is made of, in order: itself, or what the folder holds."""
    return [file for file, _ in _readers(path)] if path.is_dir() else [path]


def part_format(path: Path) -> str:
    """Return the one format of the files in a folder. Raises `DataError` for a folder without, or of several."""
    return _readers(path)[0][1].name


def _readers(path: Path) -> list[tuple[Path, Reader]]:
    known = readers_by_suffix()
    found = [(file, known[file.suffix.lower()]) for file in _files(path)]
    if len(names := sorted({one.name for _, one in found})) > 1:
        raise DataError(f"{path}: expected files of one format, found {', '.join(names)}; part them")
    if not found:
        raise DataError(f"{path}: expected files that end in {', '.join(known)}, found none")
    return found


def part_suffixes() -> list[str]:
    """Return what the names of files end with that a folder can be made of, in alphabetical order."""
    return sorted(readers_by_suffix())


def readers_by_suffix() -> dict[str, Reader]:
    """Return who reads a file of which nothing but its name tells the format, by what that ends with."""
    return {suffix: one for one in reversed([*readers().values()]) for suffix in one.suffixes}


def _files(path: Path) -> list[Path]:
    """Return the files of posts in a folder; what begins with . or _ is a note that another program left."""
    suffixes = readers_by_suffix()
    names = (name for name in held_in(path) if not name.startswith((".", "_")))
    files = (path / name for name in names if Path(name).suffix.lower() in suffixes)
    return [file for file in files if not file.is_dir()]  # a pipe among them is refused, not passed over
