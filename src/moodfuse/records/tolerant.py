"""Tolerant reading of the files of a run, a comparison or a search: complete, half-written or missing."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml

from moodfuse.records.configuration import StoredConfig
from moodfuse.records.record import Record, why

_FIELD_LIMIT = 10**6
_R = TypeVar("_R", bound=Record)


@dataclass(slots=True)
class Folder:
    """A folder that is read file by file; `missing` collects a line for each file that is absent or damaged."""

    path: Path
    missing: list[str] = field(default_factory=list)

    def record(self, name: str, kind: type[_R], what: str = "") -> _R | None:
        """Return the record in a JSON file, `None` if there is none; `what` names it in `missing`."""
        content = self._text(name, what)
        if content is None:
            return None
        try:
            return kind.model_validate(json.loads(content))
        except (ValueError, RecursionError) as error:
            self._unreadable(name, "JSON", what, error)
            return None

    def rows(self, name: str, columns: Collection[str], what: str = "") -> list[dict[str, str]]:
        """Return the complete rows of a CSV file, none if the file is missing or lacks one of `columns`."""
        content = self._text(name, what)
        if content is None:
            return []
        csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))  # of the whole process: never lowered
        try:
            reader = csv.DictReader(io.StringIO(content))
            if lacking := [column for column in columns if column not in (reader.fieldnames or ())]:
                raise csv.Error(f"no column {lacking[0]}")
            rows = list(reader)
        except csv.Error as error:
            self._unreadable(name, "CSV", what, error)
            return []
        whole = [row for row in rows if None not in row and None not in row.values()]
        if left_out := len(rows) - len(whole):
            self.missing.append(f"{name}: {left_out} incomplete {'row is' if left_out == 1 else 'rows are'} left out.")
        return whole

    def history(self, name: str, what: str = "") -> list[dict[str, float]]:
        """Return a history's rows, one per epoch; a value that is not a number is left out of its row."""
        return [
            {key: value for key, text in row.items() if (value := real(text)) is not None}
            for row in self.rows(name, ["epoch"], what)
        ]

    def config(self, name: str, what: str = "") -> StoredConfig:
        """Return the settings in a YAML file, empty if there is no such file."""
        content = self._text(name, what)
        try:
            return StoredConfig.model_validate(yaml.safe_load(content)) if content is not None else StoredConfig({})
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            self._unreadable(name, "YAML", what, error)
            return StoredConfig({})

    def _text(self, name: str, what: str) -> str | None:
        try:
            return (self.path / name).read_text("utf-8", "replace")
        except OSError:
            if what:
                self.missing.append(f"{name} is missing: {what} cannot be shown.")
            return None

    def _unreadable(self, name: str, kind: str, what: str, error: Exception) -> None:
        self.missing.append(f"{name} cannot be read as {kind} ({why(error)}): {what or 'it'} is not shown.")


def real(text: str | None) -> float | None:
    """Return the text as a finite number, `None` if it is anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
