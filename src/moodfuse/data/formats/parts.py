"""A folder of Parquet, JSONL, CSV or TSV files, read one after another in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from moodfuse.data.formats.base import LISTINGS, READERS, Part, Reader, Row, Run, reader
from moodfuse.data.formats.fields import held_in
from moodfuse.errors import DataError

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}

_LISTINGS = {name for names in LISTINGS.values() for name in names}  # the folder of a report


@reader("parts")
class PartsReader(Reader):
    """Large sources come in many files. Where they give no ids, ids repeat from file to file."""

    def recognises(self, path: Path, header: str | None) -> bool:
        return header is None and bool(_files(path)) and not _LISTINGS & set(held_in(path))

    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        for file, one in _readers(path):
            yield from one.rows(file, part=part, strict=strict)

    def count(self, path: Path, part: Part) -> int:
        return sum(one.count(file, part) for file, one in _readers(path))

    def runs(self, path: Path, *, part: Part, size: int) -> Iterator[Run]:
        for file, one in _readers(path):
            yield from one.runs(file, part=part, size=size)


def part_files(path: Path) -> list[Path]:
    """Return the files that a source is made of, in order: itself, or what the folder holds."""
    return [file for file, _ in _readers(path)] if path.is_dir() else [path]


def _readers(path: Path) -> list[tuple[Path, Reader]]:
    files = _files(path)
    if len(kinds := {_FORMATS[file.suffix.lower()] for file in files}) > 1:
        raise DataError(f"{path}: expected files of one format, found {', '.join(sorted(kinds))}; part them")
    if not files:
        raise DataError(f"{path}: expected files that end in {', '.join(_FORMATS)}, found none")
    return [(file, READERS[_FORMATS[file.suffix.lower()]]) for file in files]


def _files(path: Path) -> list[Path]:
    """Return the files of posts in a folder; what begins with . or _ is a note that another program left."""
    names = (name for name in held_in(path) if not name.startswith((".", "_")))
    return [path / name for name in names if Path(name).suffix.lower() in _FORMATS and (path / name).is_file()]
