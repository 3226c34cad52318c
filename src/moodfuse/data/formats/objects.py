"""Posts from what is in memory: a pandas or polars data frame, a Hugging Face dataset, an Arrow table, or mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from moodfuse.data.formats.base import Reading, Row
from moodfuse.data.formats.columns import NAMES
from moodfuse.data.formats.fields import short, unique_names
from moodfuse.data.formats.parquet import arrow_typed
from moodfuse.data.formats.parquet_batches import batch_rows
from moodfuse.data.formats.values import Objects, typed
from moodfuse.errors import DataError

_CHUNK = 1000  # rows of a data frame that are turned into Python values together


def object_rows(source: Any, reading: Reading) -> Iterator[Row]:
    """Yield the rows of an object, its columns named as a CSV file's. Image paths are relative to the working folder.

    A whole number is a label where the dataset names it (ClassLabel). Raises `DataError` for an object of another kind.
    """
    # Known by the module of its class: pandas or datasets must not be imported to find out that it is neither.
    modules = {base.__module__.partition(".")[0] for base in type(source).__mro__}
    for module, rows in _ROWS.items():
        if module in modules:
            return rows(source, reading)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | Mapping):
        return _mappings(source, reading)
    raise _unknown(source)


def object_name(source: Any) -> str:
    """Return what an object is called in messages."""
    return type(source).__name__


def object_columns(source: Any) -> tuple[str, ...]:
    """Return the names of an object's columns; none where only its records tell them."""
    if hasattr(source, "iloc"):
        return unique_names([*map(str, source.columns)])
    if hasattr(source, "iter_rows"):
        return tuple(source.columns)
    schema = getattr(source, "schema", None)
    return tuple(getattr(schema, "names", None) or getattr(source, "column_names", None) or ())


def object_count(source: Any) -> int:
    """Return how many rows an object has, 0 where only reading tells."""
    return len(source) if hasattr(source, "__len__") else 0


def _frame(frame: Any, reading: Reading) -> Iterator[Row]:
    if not hasattr(frame, "iloc") or not hasattr(frame, "columns"):
        raise _unknown(frame)
    if str(frame.index.name).lower() in NAMES["id"][0] or frame.index.name in reading.columns.values():
        frame = frame.reset_index()
    names = unique_names([*map(str, frame.columns)])
    found = typed(map(str, frame.columns), object_name(frame), reading)
    for start in range(0, len(frame), _CHUNK):
        part = frame.iloc[start : start + _CHUNK]
        columns = [part.iloc[:, at].astype(object) for at in range(len(names))]
        by_column = [column.where(column.notna(), None).tolist() for column in columns]  # one kind of nothing: None
        for number, values in enumerate(zip(*by_column, strict=True), start=start + 1):
            yield found.row(values, number, dict(zip(names, values, strict=True)) if reading.fields else None)


def _polars(frame: Any, reading: Reading) -> Iterator[Row]:
    if not hasattr(frame, "iter_rows"):
        lazy = "; collect() it first" if hasattr(frame, "collect") else ""
        raise _unknown(frame, lazy)
    found = typed(frame.columns, object_name(frame), reading)
    for number, values in enumerate(frame.iter_rows(), start=1):
        yield found.row(values, number, dict(zip(frame.columns, values, strict=True)) if reading.fields else None)


def _dataset(dataset: Any, reading: Reading) -> Iterator[Row]:
    if isinstance(dataset, Mapping):
        raise DataError(
            f"{object_name(dataset)}: expected one dataset, found {len(dataset)}; choose one of {', '.join(dataset)}"
        )
    if not hasattr(dataset, "features"):
        raise _unknown(dataset)
    if dataset.features is None:  # a stream whose columns are not known before it is read
        yield from _mappings(dataset, reading)
        return
    names = list(dataset.features)
    found = typed(names, object_name(dataset), reading)
    for at in [*found.columns.places.values(), *found.columns.more_images]:
        if type(image := dataset.features[names[at]]).__name__ == "Image":  # the bytes as they are stored, not decoded
            dataset = dataset.cast_column(names[at], type(image)(decode=False))
    label = names[found.columns.places["label"]] if "label" in found.columns.places else None
    found = replace(found, names=getattr(dataset.features.get(label), "names", None))
    needed = set(found.columns.places.values()) | set(found.columns.more_images)
    if not reading.fields:  # columns that nobody asks for are not read, nor decoded
        dataset = dataset.select_columns([name for at, name in enumerate(names) if at in needed])
    for number, row in enumerate(dataset.with_format(None), start=1):
        yield found.row([row.get(name) for name in names], number, dict(row) if reading.fields else None)


def _arrow(table: Any, reading: Reading) -> Iterator[Row]:
    if not hasattr(table, "to_batches"):
        raise _unknown(table)
    found = arrow_typed(table.schema, object_name(table), reading)
    rows = (row for batch in table.to_batches(max_chunksize=_CHUNK) for row in batch_rows(batch))
    for number, values in enumerate(rows, start=1):
        yield found.row(values, number, dict(zip(table.schema.names, values, strict=True)) if reading.fields else None)


def _mappings(records: Iterable[Any], reading: Reading) -> Iterator[Row]:
    name = object_name(records)
    objects = Objects(name, reading)
    for number, record in enumerate(records, start=1):
        if isinstance(record, Mapping):
            yield objects.row(record, number)
        elif reading.strict:
            raise DataError(
                f"{name} row {number}: expected a mapping with the keys id, text, image, label, found {short(record)}"
            )
        else:
            yield objects.nothing(number)


#: What reads an object, by the package of its class.
_ROWS: dict[str, Callable[[Any, Reading], Iterator[Row]]] = {
    "pandas": _frame,
    "polars": _polars,
    "datasets": _dataset,
    "pyarrow": _arrow,
}


def _unknown(source: Any, advice: str = "") -> DataError:
    return DataError(
        "expected a path, a pandas or polars DataFrame, a Hugging Face Dataset, a pyarrow Table or mappings with the "
        f"keys id, text, image, label; found {type(source).__module__}.{type(source).__qualname__}{advice}"
    )
