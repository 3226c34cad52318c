"""Parquet files: the one place that knows pyarrow, which only this format needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from moodfuse.data.formats.base import Reader, Reading, Role, Row, Run, Target, Writer
from moodfuse.data.formats.columns import Columns
from moodfuse.data.formats.image_files import ImagePaths, bytes_to_embed, note_left_out
from moodfuse.data.formats.lines import open_file
from moodfuse.data.formats.parquet_batches import rows_of
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.formats.values import Typed, typed
from moodfuse.data.posts import Post
from moodfuse.errors import DataError, MissingExtraError, OutputError
from moodfuse.files import replacing
from moodfuse.progress import mute

#: What a column holds. `image` is the {bytes, path} of Hugging Face `datasets`.
Kind = Literal["string", "float", "bool", "strings", "image"]

# What is written together: rows, or the bytes that they hold, whichever is reached first.
_GROUP_ROWS, _GROUP_BYTES = 10_000, 64 * 2**20


def pyarrow() -> Any:
    """Return pyarrow with its Parquet part. Raises `MissingExtraError` where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f"Parquet files need {error.name}, which is not installed; pip install 'moodfuse[tables]'"
        ) from None
    return pyarrow


@reader
class ParquetReader(Reader):
    """Columns as in CSV; the image is a path, bytes or {bytes, path}. A label may be a number that ClassLabel names."""

    name = "parquet"
    priority = 10  # four bytes tell it
    suffixes = (".parquet", ".pq")
    splits = True

    def recognises(self, path: Path, header: str | None) -> bool:
        return (header or "").startswith("PAR1")

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        return _rows(path, 0, None, reading)

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        with _opened(path) as file:
            arrow_typed(file.schema_arrow, path, reading)
            rows = int(file.metadata.num_rows)
        return (Run(path, self.name, first, min(size, rows - first)) for first in range(0, rows, size))

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        return _rows(run.path, run.first, run.rows, replace(reading, notify=mute))

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        with _opened(path) as file:
            return tuple(file.schema_arrow.names)

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        with _opened(path) as file:
            return arrow_typed(file.schema_arrow, path, reading).columns.names(file.schema_arrow.names)

    def count(self, path: Path, reading: Reading) -> int:
        with _opened(path) as file:
            return int(file.metadata.num_rows)


def _rows(path: Path, first: int, count: int | None, reading: Reading) -> Iterator[Row]:
    """Yield `count` rows behind the `first`, all where it is `None`; of the file only the row groups that hold them."""
    with open_file(path) as raw, _parquet(path, raw) as file:
        schema = file.schema_arrow
        found = arrow_typed(schema, path, reading)
        groups, before = _groups(file.metadata, first, count)
        needed = {*found.columns.places.values(), *found.columns.more_images}
        columns = [name for at, name in enumerate(schema.names) if reading.fields or at in needed]
        rows = rows_of(pyarrow(), path, raw, file, groups, columns, skip=first - before)
        found = replace(found, columns=_among(found.columns, schema.names, columns))
        for number, values in enumerate(islice(rows, count), start=first + 1):
            yield found.row(values, number, dict(zip(columns, values, strict=True)) if reading.fields else None)


def _among(found: Columns, names: Sequence[str], columns: Sequence[str]) -> Columns:
    """Return where columns stand of which those called `columns` are read alone."""
    places = {role: columns.index(names[at]) for role, at in found.places.items()}
    return replace(found, places=places, more_images=tuple(columns.index(names[at]) for at in found.more_images))


def column_types(path: Path) -> dict[str, Any]:
    """Return the Arrow type of each column of a Parquet file."""
    with _opened(path) as file:
        return {field.name: field.type for field in file.schema_arrow}


def _groups(metadata: Any, first: int, count: int | None) -> tuple[list[int], int]:
    """Return the row groups that hold the rows asked for, and how many rows stand before them."""
    groups, before, at = [], 0, 0
    for index in range(metadata.num_row_groups):
        rows = int(metadata.row_group(index).num_rows)
        if at + rows <= first:
            before = at + rows
        elif count is None or at < first + count:
            groups.append(index)
        at += rows
    return groups, before


def arrow_typed(schema: Any, where: Path | str, reading: Reading) -> Typed:
    """Return how rows with an Arrow schema become posts."""
    found = typed(schema.names, where, reading)
    return replace(found, names=label_names(schema, found.columns.places))


def label_names(schema: Any, found: Mapping[Role, int]) -> list[str] | None:
    """Return what numbers in the label column stand for, as Hugging Face `datasets` notes it; `None`: nothing."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[schema.names[found["label"]]]["names"]]
    except (KeyError, TypeError, ValueError):
        return None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a Parquet file; what pyarrow finds wrong with it, now or while it is read, becomes a `DataError`."""
    with open_file(path) as file, _parquet(path, file) as parquet:
        yield parquet


@contextmanager
def _parquet(path: Path, file: BinaryIO) -> Iterator[Any]:
    arrow = pyarrow()
    try:
        # pyarrow's own choice is to hold the whole file ("pre_buffer").
        with arrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**20) as parquet:
            yield parquet
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = next(iter(str(error).splitlines()), "no reason given").strip().rstrip(".")
        raise DataError(
            f"{path}: cannot be read as Parquet, or not to its end ({reason}); it may be cut short: get it again"
        ) from None


@contextmanager
def parquet_sink(
    file: BinaryIO, columns: Mapping[str, Kind | Any], *, features: Mapping[str, Any] | None = None
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Give a function that adds a row to a Parquet file; memory holds one group of rows.

    A column is of one of our kinds, or of an Arrow type. `features` is what Hugging Face `datasets` is told of the
    columns.
    """
    arrow = pyarrow()
    types = {
        "string": arrow.string(),
        "float": arrow.float64(),
        "bool": arrow.bool_(),
        "strings": arrow.list_(arrow.string()),
        "image": arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())]),
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    schema = arrow.schema(
        [(name, types[kind] if isinstance(kind, str) else kind) for name, kind in columns.items()], metadata=metadata
    )
    rows: list[Mapping[str, Any]] = []
    held = 0
    with arrow.parquet.ParquetWriter(file, schema) as parquet:

        def flush() -> None:
            nonlocal held
            if rows:
                try:
                    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema))
                except (arrow.ArrowException, OverflowError) as error:
                    reason = next(iter(str(error).splitlines()), "no reason given")
                    raise OutputError(f"a column holds what its type cannot ({reason}); write jsonl or csv") from None
            rows.clear()
            held = 0

        def write(row: Mapping[str, Any]) -> None:
            nonlocal held
            rows.append(row)
            held += _size(row.values())
            if len(rows) >= _GROUP_ROWS or held >= _GROUP_BYTES:
                flush()

        yield write
        flush()


@writer
class ParquetWriter(Writer):
    """Columns id, text, image, label; embedded images are what Hugging Face `datasets` opens as images."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    embeds = True

    @contextmanager
    def open(self, target: Target) -> Iterator[Callable[[Post], None]]:
        columns: dict[str, Kind] = {"id": "string", "text": "string", "image": "string", "label": "string"}
        features = {name: {"dtype": "string", "_type": "Value"} for name in columns}
        if target.embed:
            columns["image"], features["image"] = "image", {"_type": "Image"}
        with ExitStack() as stack:
            file = stack.enter_context(replacing(target.path))
            paths = ImagePaths(target.path, target.notes, stack, force=target.force)
            add = stack.enter_context(parquet_sink(file, columns, features=features))

            def write(post: Post) -> None:
                image: Any
                if target.embed:
                    data = bytes_to_embed(post.image, target.notes, target.home)
                    image = None if data is None else {"bytes": data, "path": None}
                    note_left_out(post, target.notes)
                else:
                    image = ";".join(paths.paths_of(post.images)) or None
                add({"id": post.id, "text": post.text, "image": image, "label": post.label})

            yield write


def _size(values: Iterable[Any]) -> int:
    return sum(_value_size(value) for value in values)


def _value_size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return _size(value.values())
    return _size(value) if isinstance(value, list | tuple) else 8
