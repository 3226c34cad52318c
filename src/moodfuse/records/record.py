"""A record: the content of a JSON file, as a model that also reads files of older and newer versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from moodfuse import files
from moodfuse.errors import DataError, in_a_line

_T = TypeVar("_T")
_R = TypeVar("_R", bound="Record")
Number = int | float


class Record(BaseModel):
    """A mapping in a JSON file. Keys that this version does not know are ignored; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, populate_by_name=True, defer_build=True)

    def as_json(self) -> dict[str, JsonValue]:
        """Return the content of the file: only the keys that were set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON, completely or not at all. Raises `OutputError` if it cannot be written."""
    files.write_json(path, record.as_json())


def read_record(path: Path, kind: type[_R]) -> _R:
    """Read what `write_record` wrote. Raises `DataError` if the file is missing, damaged or of another kind."""
    try:
        return kind.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read ({why(error)})") from None


def why(error: Exception) -> str:
    """Return a line that says why a file could not be read."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    return in_a_line(error)


def _leave_out(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError as error:
        if not isinstance(value, list):
            raise
        broken = {problem["loc"][0] for problem in error.errors(include_url=False)}
        return validate([item for place, item in enumerate(value) if place not in broken])


#: A list without its invalid items, as a table is read without its incomplete rows.
Whole = Annotated[list[_T], WrapValidator(_leave_out)]
