"""From files and objects to posts: the one door to every reader."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import PREDICTING, TRAINING, Reader, Reading, Row, Run
from moodfuse.data.formats.fields import held_in, in_words, short
from moodfuse.data.formats.image_refs import watched
from moodfuse.data.formats.lines import cannot_read, first_line, opening
from moodfuse.data.formats.objects import object_columns, object_count, object_name, object_rows
from moodfuse.data.formats.parts import part_format, part_suffixes, readers_by_suffix
from moodfuse.data.formats.registry import format_name, readers
from moodfuse.data.posts import ImageRef, ImageUri, Post, Posts, post_of
from moodfuse.data.table_style import TableStyle
from moodfuse.errors import DataError, MoodfuseError, suggest
from moodfuse.plugins import describe
from moodfuse.progress import mute

LOG = logging.getLogger("moodfuse.readers")


def source_format(path: str | Path) -> str:
    """Return the name of the format of a file or folder, looked at anew only when it has changed.

    Raises `DataError` where no reader knows it.
    """
    path = Path(path)
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        cannot_read(path, error)
    return _source_format(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _source_format(path: Path, _size: int, _changed: int) -> str:
    header = None if path.is_dir() else opening(path)
    for name, reader in readers().items():
        if _recognises(reader, path, header):
            return name
    known = ", ".join(sorted(readers()))
    if header is None:
        raise DataError(
            f"{path}: expected train.txt or test_without_label.txt (guid,tag) in this folder, labelResultAll.txt "
            f"(MVSA), or files that end in {', '.join(part_suffixes())}; found {in_words(held_in(path))}; add one of "
            f"them, or name the format ({known})"
        )
    line = first_line(path)  # refuses what is no text
    if by_name := readers_by_suffix().get(path.suffix.lower()):
        return by_name.name
    raise DataError(
        f"{path}: expected JSON lines, Parquet, or a header line such as guid,tag or id,text,image,label; "
        f"found {short(line)}; add the header, or name the format ({known})"
    )


def came_as(path: Path, format: str | None = None) -> str:
    """Return the format that a source came in; of a folder of files, that of its files."""
    found = format_name(format or source_format(path))
    return part_format(path) if found == "parts" else found


def _recognises(reader: Reader, path: Path, header: str | None) -> bool:
    """Ask a reader; one of a third party that fails where it is asked must not keep others from reading."""
    try:
        return reader.recognises(path, header)
    except MoodfuseError:
        raise
    except Exception as error:
        _warn(reader.name, path, describe(error))
        return False


@lru_cache(maxsize=64)
def _warn(name: str, path: Path, reason: str) -> None:
    """Tell it once: a command asks several times for the format of its source."""
    LOG.warning("the reader of %s fails on %s and is passed over: %s", name, path, reason)


class PostStream(Iterator[Post]):
    """Posts in order, read as they are asked for.

    `dropped` counts, by reason, those that the format's own rule has left out so far. `columns` are the names of the
    source's columns, where it has any.
    """

    def __init__(self, rows: Iterator[Row], reading: Reading, columns: tuple[str, ...] = ()) -> None:
        self.columns = columns
        self.dropped: Counter[str] = Counter()
        self._posts = self._kept(rows, reading)

    def __iter__(self) -> Iterator[Post]:
        return self._posts

    def __next__(self) -> Post:
        return next(self._posts)

    def _kept(self, rows: Iterator[Row], reading: Reading) -> Iterator[Post]:
        for row in rows:
            if row.dropped is None or reading.part == "predict":
                yield _post(row, reading)
            else:
                self.dropped[row.dropped] += 1


def stream_posts(source: Any, reading: Reading = TRAINING, **how: Any) -> PostStream:
    """Return the posts of a file, a folder or an object in order, in memory that does not grow with their number.

    Of a workbook alone the whole sheet is held. `source` is a path or what `object_rows` takes. The format of a path is
    found out where `reading` names none. Ids may repeat. Posts that the format's own rule leaves out of the labelled
    ones are counted; to predict, they stay. `how` changes single fields of `reading`. Raises `DataError`, naming file
    and line: for the source at once, for its rows on the way.
    """
    reading = replace(reading, **how)
    rows = _rows(source, reading)
    columns: tuple[str, ...] = ()
    if reading.fields:
        columns = (
            _reader(Path(source), reading.format).columns(Path(source), replace(reading, notify=mute))
            if isinstance(source, str | Path)
            else object_columns(source)
        )
    return PostStream(rows, reading, columns)


def read_posts(source: Any, reading: Reading = TRAINING, **how: Any) -> Posts:
    """Read labelled posts of a path, a pandas or polars DataFrame, a Hugging Face Dataset, a pyarrow Table or mappings.

    `how` changes single fields of `reading`: `read_posts("posts.csv", columns={"text": "tweet"})`. Raises `DataError`
    for what `stream_posts` refuses, and for an id that stands twice.
    """
    reading = replace(reading, **how)
    posts, lines, dropped = [], dict[str, int](), Counter[str]()
    for row in _rows(source, reading):
        if row.id in lines:
            raise DataError(
                f"{row.where}: id {row.id!r} stands on {row.unit} {lines[row.id]} and again on {row.unit} {row.line}; "
                "give every post an id of its own, or remove one of them"
            )
        lines[row.id] = row.line
        if row.dropped is None:
            posts.append(_post(row, reading))
        else:
            dropped[row.dropped] += 1
    name = str(source) if isinstance(source, str | Path) else object_name(source)
    return Posts(posts, source=name, dropped=dropped)


def count_posts(source: Any, reading: Reading = TRAINING, **how: Any) -> int:
    """Return about how many rows a source has, for a progress bar; 0 where only reading it tells."""
    if not isinstance(source, str | Path):
        return object_count(source)
    reading = replace(reading, **how)
    return _reader(Path(source), reading.format).count(Path(source), reading)


def source_files(path: Path, format: str | None = None) -> list[Path]:
    """Return the files that hold the posts of a source: itself, or what of a folder its format reads."""
    return _reader(path, format).files(path)


def read_columns(path: Path, reading: Reading = PREDICTING) -> tuple[str, ...]:
    """Return which columns of a source are read as id, text, image or label: the others are the user's own."""
    return _reader(path, reading.format).read_columns(path, replace(reading, notify=mute))


def table_style(path: Path, reading: Reading = PREDICTING) -> TableStyle:
    """Return how a table of answers to a source is written: as the source is, where it is a table of text."""
    return _reader(path, reading.format).style(path, replace(reading, notify=mute))


def source_runs(path: Path, size: int, reading: Reading = PREDICTING, **how: Any) -> Iterator[Run]:
    """Yield all rows of a file or folder in runs of `size` rows at most, which can be read one without another.

    Raises `DataError` for a source that is none, or that has neither text nor image.
    """
    reading = replace(reading, **how)
    return _reader(path, reading.format).runs(path, reading, size)


def run_posts(run: Run, reading: Reading = PREDICTING, **how: Any) -> Iterator[Post]:
    """Yield the posts of a run: those that `stream_posts` gives in its place."""
    reading = replace(reading, **how)
    return (_post(row, reading) for row in readers()[run.format].run_rows(run, reading))


def _reader(path: Path, format: str | None) -> Reader:
    name = source_format(path) if format is None else format_name(format)
    known = readers()
    if name not in known:
        raise DataError(f"{path}: {suggest(name, known, what='format')}")
    return known[name]


def _rows(source: Any, reading: Reading) -> Iterator[Row]:
    if not isinstance(source, str | Path):
        if reading.format is not None:
            raise DataError(
                f"{object_name(source)}: expected no format with an object, found {reading.format!r}; leave it out"
            )
        return watched(object_rows(source, reading), reading.notify)
    path, labels = Path(source), reading.labels
    reader = _reader(path, reading.format)
    if reading.strict and reader.labels is not None and set(reader.labels.names) != set(labels.names):
        raise DataError(
            f"{path}: the labels of this format are {', '.join(reader.labels.names)}, "
            f"but {', '.join(labels.names)} are asked for; leave `labels` as it is by default"
        )
    rows = reader.rows(path, reading)
    return watched(rows, reading.notify) if reading.trusted else rows


def _post(row: Row, reading: Reading) -> Post:
    if reading.strict and not row.id.strip():
        raise DataError(f"{row.place}: the id is empty; give every post an id of its own")
    label = row.label if not row.label or row.label in reading.labels.names else _label(row, reading)
    # No address is followed that nobody asked to follow: a table of posts may come from anywhere.
    images, text = row.images, row.text
    if images and reading.remote:
        images = tuple(map(_followed, images))
    image, more = (images[0], images[1:]) if images else (None, ())
    if text is None:
        return post_of(row.id, None, image, label or None, None, False, False, more, row.fields)
    return post_of(row.id, text.text, image, label or None, text.encoding, text.lossy, text.guessed, more, row.fields)


def _label(row: Row, reading: Reading) -> str | None:
    """Return the label that a row names. Raises `DataError` if `reading.strict` for what is none."""
    try:
        return reading.labels.parse(row.label, where=row.place)
    except DataError:
        if reading.strict:
            raise
        return None


def _followed(image: ImageRef) -> ImageRef:
    return replace(image, follow=True) if isinstance(image, ImageUri) else image
