"""Rows of Parquet files in batches whose memory is bounded, whatever a few bytes of the file stand for.

A dictionary page holds a value once, however many rows have it: 3 KB can be a thousand rows of 10 MB. Where that may
be so, values are read as dictionaries, and rows that have one value share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from moodfuse.errors import DataError

# What is read together: rows, or the bytes that they hold, whichever is reached first.
_BATCH_ROWS, _BATCH_BYTES = 1_000, 16 * 2**20
#: Bytes that a batch may have once decoded, where its values may stand in a dictionary.
_DECODED_BYTES = 64 * 2**20
#: A column of a row group may be so large once unpacked, or so many times as large as in the file.
_UNPACKED_BYTES, _RATIO = 256 * 2**20, 200
_LONG = 2**16  # bytes of a value that is shared between batches, too


def rows_of(
    arrow: Any, path: Path, file: BinaryIO, parquet: Any, groups: Sequence[int], columns: Sequence[str], skip: int = 0
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of row groups behind the first `skip`, which never become Python values: these columns of them.

    `parquet` is the open `ParquetFile` of `file`, the file at `path`. Raises `DataError` for a row group that unpacks
    to far more than its size in the file.
    """
    metadata = parquet.metadata
    named = [(i, metadata.schema.column(i).path) for i in range(metadata.num_columns)]
    leaves = [(i, name) for i, name in named if any(name == one or name.startswith(f"{one}.") for one in columns)]
    for group in groups:
        _refuse_bomb(path, metadata, group, leaves)
    size = _batch_size(metadata)
    long: dict[Any, Any] = {}
    for plan, some in groupby(groups, lambda group: _plan(arrow, file, metadata, group, leaves, size)):
        reader = _with_dictionaries(arrow, file, plan.dictionaries) if plan.dictionaries else parquet
        for batch in reader.iter_batches(plan.size, row_groups=list(some), columns=list(columns)):
            if skip < batch.num_rows:
                yield from batch_rows(batch.slice(skip), long if plan.size < size or plan.dictionaries else None)
            skip = max(0, skip - batch.num_rows)


def batch_rows(batch: Any, long: dict[Any, Any] | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each row of a record batch, in the order of its columns.

    `long` keeps long values from batch to batch, so that rows share them.
    """
    return zip(*(_values(column, long) for column in batch.columns), strict=True)


def _values(column: Any, long: dict[Any, Any] | None) -> list[Any]:
    if hasattr(column.type, "index_type"):  # rows share what the dictionary holds once
        places = column.indices.to_pylist()
        found = {place: _shared(column.dictionary[place].as_py(), long) for place in {*places} - {None}}
        return [None if place is None else found[place] for place in places]
    values: list[Any] = column.to_pylist()
    return values if long is None else [_shared(value, long) for value in values]


def _shared(value: Any, long: dict[Any, Any] | None) -> Any:
    if isinstance(value, list):
        return [_shared(one, long) for one in value]
    if isinstance(value, dict):
        return {name: _shared(one, long) for name, one in value.items()}
    if long is None or not isinstance(value, str | bytes) or len(value) < _LONG:
        return value
    if value not in long and sum(map(len, long)) + len(value) > _DECODED_BYTES:
        long.clear()
    return long.setdefault(value, value)


def _batch_size(metadata: Any) -> int:
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * int(metadata.num_rows) // max(1, int(size))))


def _refuse_bomb(where: Path, metadata: Any, group: int, leaves: Sequence[tuple[int, str]]) -> None:
    for leaf, path in leaves:
        chunk = metadata.row_group(group).column(leaf)
        unpacked, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
        if unpacked > _UNPACKED_BYTES and unpacked > _RATIO * packed:
            raise DataError(
                f"{where} row group {group + 1}: its column {path!r} unpacks from {packed:,} to {unpacked:,} bytes, "
                "far more than posts do; write the file anew, in smaller row groups"
            )


class _Plan(NamedTuple):
    """How a row group is read: so many rows at a time, and these columns as dictionaries."""

    size: int
    dictionaries: tuple[str, ...] = ()


def _plan(arrow: Any, file: BinaryIO, metadata: Any, group: int, leaves: Sequence[tuple[int, str]], size: int) -> _Plan:
    """Say how to read a row group of which `size` rows may be too large: for long values in dictionaries.

    Reading one row tells: its dictionary comes with it. A list or a mapping cannot be read as dictionaries (pyarrow).
    """
    dictionaries: list[str] = []
    least = size
    for leaf, name in leaves:
        chunk = metadata.row_group(group).column(leaf)
        if chunk.physical_type != "BYTE_ARRAY" or not any("DICTIONARY" in encoding for encoding in chunk.encodings):
            continue
        if min(size, chunk.num_values) * chunk.total_uncompressed_size <= _DECODED_BYTES:
            continue
        if size * (longest := _longest(arrow, file, group, name)) > _DECODED_BYTES:
            if metadata.schema.column(leaf).max_repetition_level or "." in name:
                least = min(least, max(1, _BATCH_BYTES // longest))
            else:
                dictionaries.append(name)
    return _Plan(least, tuple(dictionaries))


def _longest(arrow: Any, file: BinaryIO, group: int, path: str) -> int:
    """Return how many bytes the longest value of a column's dictionary has."""
    reader = _with_dictionaries(arrow, file, [path])
    batch = next(reader.iter_batches(1, row_groups=[group], columns=[path]), None)
    dictionaries = [] if batch is None else [found for column in batch.columns for found in _dictionaries(column)]
    return max((_longest_of(one) for one in dictionaries if len(one)), default=0)


def _longest_of(values: Any) -> int:
    """Return the bytes of the longest of an array of strings or bytes, by where each ends."""
    wide = str(values.type).startswith("large")
    ends = np.frombuffer(values.buffers()[1], np.int64 if wide else np.int32)
    return int(np.diff(ends[values.offset : values.offset + len(values) + 1]).max())


def _dictionaries(column: Any) -> Iterator[Any]:
    if hasattr(column.type, "index_type"):
        yield column.dictionary
    elif hasattr(column.type, "value_type"):
        yield from _dictionaries(column.values)
    else:
        for i in range(column.type.num_fields):
            yield from _dictionaries(column.field(i))


def _with_dictionaries(arrow: Any, file: BinaryIO, paths: Sequence[str]) -> Any:
    return arrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**20, read_dictionary=list(paths))
