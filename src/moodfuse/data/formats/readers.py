"""From files and objects to posts. A reader is one class, registered under the name of its format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

# Importing a format registers it. They are asked in this order: MVSA's header would do for a table too.
from moodfuse.data.formats import guid_tag, mvsa, parquet, parts  # noqa: F401
from moodfuse.data.formats.base import READERS, Part, Reader, Row, Run, reader
from moodfuse.data.formats.fields import (
    NAMES,
    cells_by_role,
    columns,
    image_file,
    json_id,
    json_image,
    json_object,
    need_text_or_image,
    roles,
    short,
)
from moodfuse.data.formats.lines import Record, first_line, line_ends, located_lines, opening, records
from moodfuse.data.formats.objects import object_count, object_name, object_rows
from moodfuse.data.posts import ImageUri, Post, Posts
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError, suggest
from moodfuse.labels import SENTIMENT, Labels

__all__ = [
    "READERS",
    "Part",
    "Reader",
    "Row",
    "Run",
    "count_posts",
    "read_posts",
    "reader",
    "run_posts",
    "source_format",
    "source_runs",
    "stream_posts",
]


def source_format(path: str | Path) -> str:
    """Return the name of the format of a file or folder. Raises `DataError` where no reader knows it."""
    path = Path(path)
    header = None if path.is_dir() else opening(path)
    for name, candidate in READERS.items():
        if candidate.recognises(path, header):
            return name
    raise DataError(
        f"{path}: expected a folder with train.txt, JSON lines, Parquet, or a header line such as guid,tag or "
        f"id,text,image,label; found {short(first_line(path))}; add the header, or name the format "
        f"({', '.join(READERS)})"
    )


def stream_posts(
    source: Any,
    *,
    format: str | None = None,
    labels: Labels = SENTIMENT,
    part: Part = "train",
    strict: bool = True,
    dropped: Counter[str] | None = None,
    remote: bool = False,
) -> Iterator[Post]:
    """Yield the posts of a file, a folder or an object in order, in memory that does not grow with their number.

    `source` is a path or what `object_rows` takes. `format` of a path is found out where it is `None`. `part` names
    what of a report folder is read: train.txt, or test_without_label.txt where there is one. `strict=False`, for
    prediction, ignores labels that are none and empty ids. Ids may repeat. Posts that the format's own rule leaves out
    of the labelled ones are counted in `dropped`, by reason; to predict, they stay. An image named by a URI (s3://...)
    is none unless `remote`. Raises `DataError` on the way, naming file and line.
    """
    for row in _rows(source, format, part, labels, strict):
        if row.dropped is None or part == "predict":
            yield _post(row, labels, strict, remote)
        elif dropped is not None:
            dropped[row.dropped] += 1


def read_posts(source: Any, *, format: str | None = None, labels: Labels = SENTIMENT) -> Posts:
    """Read labelled posts: of a path, a pandas DataFrame, a Hugging Face Dataset, a pyarrow Table, or mappings.

    Raises `DataError` for what `stream_posts` refuses, and for an id that stands twice.
    """
    posts, lines, dropped = [], dict[str, int](), Counter[str]()
    for row in _rows(source, format, "train", labels, True):
        if row.id in lines:
            raise DataError(
                f"{row.where}: id {row.id!r} stands on {row.unit} {lines[row.id]} and again on {row.unit} {row.line}; "
                "give every post an id of its own, or remove one of them"
            )
        lines[row.id] = row.line
        if row.dropped is None:
            posts.append(_post(row, labels, True))
        else:
            dropped[row.dropped] += 1
    name = str(source) if isinstance(source, str | Path) else object_name(source)
    return Posts(posts, source=name, dropped=dropped)


def count_posts(source: Any, *, format: str | None = None, part: Part = "train") -> int:
    """Return about how many rows a source has, for a progress bar; 0 where only reading it tells."""
    if not isinstance(source, str | Path):
        return object_count(source)
    return _reader(Path(source), format).count(Path(source), part)


def source_runs(path: Path, size: int, *, format: str | None = None, part: Part = "predict") -> Iterator[Run]:
    """Yield all rows of a file or folder in runs of `size` rows at most, which can be read one without another.

    Raises `DataError` for a source that is none, or that has neither text nor image.
    """
    return _reader(path, format).runs(path, part=part, size=size)


def run_posts(
    run: Run, *, labels: Labels = SENTIMENT, part: Part = "predict", remote: bool = False, strict: bool = False
) -> Iterator[Post]:
    """Yield the posts of a run: those that `stream_posts` gives in its place."""
    rows = READERS[run.format].run_rows(run, part=part, strict=strict)
    return (_post(row, labels, strict, remote) for row in rows)


def _reader(path: Path, format: str | None) -> Reader:
    name = source_format(path) if format is None else format
    if name not in READERS:
        raise DataError(f"{path}: {suggest(name, READERS, what='format')}")
    return READERS[name]


def _rows(source: Any, format: str | None, part: Part, labels: Labels, strict: bool) -> Iterator[Row]:
    if not isinstance(source, str | Path):
        if format is not None:
            raise DataError(f"{object_name(source)}: expected no format with an object, found {format!r}; leave it out")
        return object_rows(source, strict)
    path = Path(source)
    reader = _reader(path, format)
    if strict and reader.labels is not None and set(reader.labels.names) != set(labels.names):
        raise DataError(
            f"{path}: the labels of this format are {', '.join(reader.labels.names)}, "
            f"but {', '.join(labels.names)} are asked for; leave `labels` as it is by default"
        )
    return reader.rows(path, part=part, strict=strict)


def _post(row: Row, labels: Labels, strict: bool, remote: bool = False) -> Post:
    if strict and not row.id.strip():
        raise DataError(f"{row.place}: the id is empty; give every post an id of its own")
    try:
        label = labels.parse(row.label, where=row.place)
    except DataError:
        if strict:
            raise
        label = None
    # No address is followed that nobody asked to follow: a table of posts may come from anywhere.
    image = None if isinstance(row.image, ImageUri) and not remote else row.image
    if row.text is None:
        return Post(row.id, image=image, label=label)
    return Post(row.id, row.text.text, image, label, row.text.encoding, row.text.lossy)


@reader("jsonl")
class JsonLinesReader(Reader):
    """One JSON object a line: id, text, image (a path, or {"base64": ...}), label. `null` is nothing."""

    def recognises(self, path: Path, header: str | None) -> bool:
        return path.suffix.lower() in (".jsonl", ".ndjson") or (header or "").lstrip().startswith("{")

    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        first_line(path)
        yield from self._from(Run(path, self.name, 0, 0), strict)

    def runs(self, path: Path, *, part: Part, size: int) -> Iterator[Run]:
        first_line(path)
        lines = enumerate(located_lines(path))
        return self._runs(path, ((offset, line) for line, (offset, found) in lines if found.text.strip()), size)

    def run_rows(self, run: Run, *, part: Part, strict: bool) -> Iterator[Row]:
        if not run.offset:
            return super().run_rows(run, part=part, strict=strict)
        return islice(self._from(run, strict), run.rows)

    def _from(self, run: Run, strict: bool) -> Iterator[Row]:
        """Yield the rows from the beginning of a run to the end of the file."""
        path, number = run.path, run.first
        for line, (_, decoded) in enumerate(located_lines(path, run.offset), start=run.line + 1):
            if not decoded.text.strip():
                continue
            number += 1
            where = f"{path} line {line}"
            found = json_object(decoded.text, where)
            given = list(found.values())
            places = roles(found, where)
            need_text_or_image(places, found, where)
            values = {role: given[place] for role, place in places.items()}
            text, label = values.get("text"), values.get("label")
            if not isinstance(text, str | None):
                raise DataError(f"{where}: expected a string or null as text, found {short(text)}")
            yield Row(
                path,
                line,
                json_id(values["id"], where) if "id" in values else str(number),
                None if text is None else Decoded(text, decoded.encoding, decoded.lossy),
                json_image(values.get("image"), path.parent, where, strict),
                None if label is None else str(label),
            )

    def count(self, path: Path, part: Part) -> int:
        return line_ends(path)  # no line is a header


@reader("tsv")
class TsvReader(Reader):
    """A table with a header: id or guid, text, image (a path relative to the file), label, tag or sentiment."""

    suffix, delimiter = ".tsv", "\t"

    def recognises(self, path: Path, header: str | None) -> bool:
        known = {name for names in NAMES.values() for name in names}
        found = columns(header, self.delimiter)
        return path.suffix.lower() == self.suffix or (len(found) > 1 and bool(known & set(found)))

    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        first_line(path)
        table = records(path, self.delimiter)
        header = next(table).cells
        yield from self._rows(path, table, _roles(path, header), 0, strict)

    def runs(self, path: Path, *, part: Part, size: int) -> Iterator[Run]:
        first_line(path)
        table = records(path, self.delimiter)
        _roles(path, next(table).cells)
        return self._runs(path, ((record.offset, record.line - 1) for record in table), size)

    def run_rows(self, run: Run, *, part: Part, strict: bool) -> Iterator[Row]:
        if not run.offset:
            return super().run_rows(run, part=part, strict=strict)
        header = next(records(run.path, self.delimiter)).cells
        table = records(run.path, self.delimiter, offset=run.offset, line=run.line, columns=len(header))
        return islice(self._rows(run.path, table, _roles(run.path, header), run.first, strict), run.rows)

    def _rows(
        self, path: Path, table: Iterator[Record], found: dict[str, int], before: int, strict: bool
    ) -> Iterator[Row]:
        for number, record in enumerate(table, start=before + 1):
            cells = cells_by_role(record, found, path, strict)
            text = cells.get("text")
            yield Row(
                path,
                record.line,
                str(number) if "id" not in found else cells["id"] or "",
                None if text is None else Decoded(text, record.encoding, record.lossy),
                image_file(path.parent, cells.get("image")),
                cells.get("label"),
            )


def _roles(path: Path, header: list[str]) -> dict[str, int]:
    found = roles(header, f"{path} line 1")
    need_text_or_image(found, header, f"{path} line 1")
    return found


@reader("csv")
class CsvReader(TsvReader):
    """As TSV, with commas."""

    suffix, delimiter = ".csv", ","

    def recognises(self, path: Path, header: str | None) -> bool:
        return super().recognises(path, header) or columns(header, ",") in (["text"], ["image"])
