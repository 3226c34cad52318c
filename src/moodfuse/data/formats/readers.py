"""From files and objects to posts: the one door to every reader."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Part, Reader, Row, Run
from moodfuse.data.formats.fields import held_in, in_words, short
from moodfuse.data.formats.lines import first_line, opening
from moodfuse.data.formats.objects import object_count, object_name, object_rows
from moodfuse.data.formats.parts import part_suffixes
from moodfuse.data.formats.registry import format_name, readers
from moodfuse.data.posts import ImageUri, Post, Posts
from moodfuse.errors import DataError, MoodfuseError, suggest
from moodfuse.labels import SENTIMENT, Labels

LOG = logging.getLogger("moodfuse.readers")


def source_format(path: str | Path) -> str:
    """Return the name of the format of a file or folder. Raises `DataError` where no reader knows it."""
    path = Path(path)
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
    raise DataError(
        f"{path}: expected JSON lines, Parquet, or a header line such as guid,tag or id,text,image,label; "
        f"found {short(first_line(path))}; add the header, or name the format ({known})"
    )


def _recognises(reader: Reader, path: Path, header: str | None) -> bool:
    """Ask a reader; one of a third party that fails where it is asked must not keep others from reading."""
    try:
        return reader.recognises(path, header)
    except MoodfuseError:
        raise
    except Exception as error:
        _warn(reader.name, path, " ".join(f"{type(error).__name__}: {error}".split())[:200])
        return False


@lru_cache(maxsize=64)
def _warn(name: str, path: Path, reason: str) -> None:
    """Tell it once: a command asks several times for the format of its source."""
    LOG.warning("the reader of %s fails on %s and is passed over: %s", name, path, reason)


class PostStream(Iterator[Post]):
    """Posts in order, read as they are asked for.

    `dropped` counts, by reason, those that the format's own rule has left out so far.
    """

    def __init__(self, rows: Iterator[Row], part: Part, labels: Labels, strict: bool, remote: bool) -> None:
        self.dropped: Counter[str] = Counter()
        self._posts = self._kept(rows, part, labels, strict, remote)

    def __next__(self) -> Post:
        return next(self._posts)

    def _kept(self, rows: Iterator[Row], part: Part, labels: Labels, strict: bool, remote: bool) -> Iterator[Post]:
        for row in rows:
            if row.dropped is None or part == "predict":
                yield _post(row, labels, strict, remote)
            else:
                self.dropped[row.dropped] += 1


def stream_posts(
    source: Any,
    *,
    format: str | None = None,
    labels: Labels = SENTIMENT,
    part: Part = "train",
    strict: bool = True,
    remote: bool = False,
) -> PostStream:
    """Return the posts of a file, a folder or an object in order, in memory that does not grow with their number.

    `source` is a path or what `object_rows` takes. `format` of a path is found out where it is `None`. `part` names
    what of a guid,tag folder is read: train.txt, or test_without_label.txt where there is one. `strict=False`, for
    prediction, ignores labels that are none and empty ids. Ids may repeat. Posts that the format's own rule leaves out
    of the labelled ones are counted; to predict, they stay. An image named by a URI (s3://...) is none unless `remote`.
    Raises `DataError`, naming file and line: for the source at once, for its rows on the way.
    """
    return PostStream(_rows(source, format, part, labels, strict), part, labels, strict, remote)


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
    rows = readers()[run.format].run_rows(run, part=part, strict=strict)
    return (_post(row, labels, strict, remote) for row in rows)


def _reader(path: Path, format: str | None) -> Reader:
    name = source_format(path) if format is None else format_name(format)
    known = readers()
    if name not in known:
        raise DataError(f"{path}: {suggest(name, known, what='format')}")
    return known[name]


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
