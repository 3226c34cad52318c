"""Posts from what is in memory: a pandas data frame, a Hugging Face dataset, an Arrow table, or mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from moodfuse.data.formats.base import Row
from moodfuse.data.formats.fields import NAMES
from moodfuse.data.formats.parquet import batch_rows, label_names
from moodfuse.data.formats.values import record_row, table_roles, typed_row
from moodfuse.errors import DataError

_CHUNK = 1000  # rows of a data frame that are turned into Python values together


def object_rows(source: Any, strict: bool) -> Iterator[Row]:
    """Yield the rows of an object, its columns named as a CSV file's. Image paths are relative to the working folder.

    A whole number is a label where the dataset names it (ClassLabel). Raises `DataError` for an object of another kind.
    """
    # Known by the module of its class: pandas or datasets must not be imported to find out that it is neither.
    modules = {base.__module__.partition(".")[0] for base in type(source).__mro__}
    for module, rows in _ROWS.items():
        if module in modules:
            return rows(source, strict)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | Mapping):
        return _mappings(source, strict)
    raise _unknown(source)


def object_name(source: Any) -> str:
    """Return what an object is called in messages."""
    return type(source).__name__


def object_count(source: Any) -> int:
    """Return how many rows an object has, 0 where only reading tells."""
    return len(source) if hasattr(source, "__len__") else 0


def _frame(frame: Any, strict: bool) -> Iterator[Row]:
    if not hasattr(frame, "iloc") or not hasattr(frame, "columns"):
        raise _unknown(frame)
    if str(frame.index.name).lower() in NAMES["id"]:
        frame = frame.reset_index()
    found = table_roles(map(str, frame.columns), object_name(frame))
    for start in range(0, len(frame), _CHUNK):
        part = frame.iloc[start : start + _CHUNK]
        columns = [part.iloc[:, at].astype(object) for at in found.values()]
        by_column = [column.where(column.notna(), None).tolist() for column in columns]  # one kind of nothing: None
        for number, values in enumerate(zip(*by_column, strict=True), start=start + 1):
            yield typed_row(dict(zip(found, values, strict=True)), number, object_name(frame), strict)


def _dataset(dataset: Any, strict: bool) -> Iterator[Row]:
    if isinstance(dataset, Mapping):
        raise DataError(
            f"{object_name(dataset)}: expected one dataset, found {len(dataset)}; choose one of {', '.join(dataset)}"
        )
    if not hasattr(dataset, "features"):
        raise _unknown(dataset)
    if dataset.features is None:  # a stream whose columns are not known before it is read
        yield from _mappings(dataset, strict)
        return
    columns = list(dataset.features)
    found = table_roles(columns, object_name(dataset))
    by_role = {role: columns[at] for role, at in found.items()}
    image = dataset.features.get(by_role.get("image"))
    if type(image).__name__ == "Image":  # the bytes as they are stored, not decoded and encoded again
        dataset = dataset.cast_column(by_role["image"], type(image)(decode=False))
    names = getattr(dataset.features.get(by_role.get("label")), "names", None)
    for number, row in enumerate(dataset.with_format(None), start=1):
        values = {role: row[column] for role, column in by_role.items()}
        yield typed_row(values, number, object_name(dataset), strict, names)


def _arrow(table: Any, strict: bool) -> Iterator[Row]:
    if not hasattr(table, "to_batches"):
        raise _unknown(table)
    names = label_names(table.schema, table_roles(table.schema.names, object_name(table)))
    rows = (row for batch in table.to_batches(max_chunksize=_CHUNK) for row in batch_rows(batch))
    for number, values in enumerate(rows, start=1):
        yield typed_row(values, number, object_name(table), strict, names)


def _mappings(records: Iterable[Any], strict: bool) -> Iterator[Row]:
    for number, record in enumerate(records, start=1):
        yield record_row(record, number, object_name(records), strict)


#: What reads an object, by the package of its class.
_ROWS: dict[str, Callable[[Any, bool], Iterator[Row]]] = {"pandas": _frame, "datasets": _dataset, "pyarrow": _arrow}


def _unknown(source: Any) -> DataError:
    return DataError(
        "expected a path, a pandas DataFrame, a Hugging Face Dataset, a pyarrow Table or mappings with the keys "
        f"id, text, image, label; found {type(source).__module__}.{type(source).__qualname__}"
    )
