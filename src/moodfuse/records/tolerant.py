"""Files of a run or a comparison as they are: whole, half-written or not there at all."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_FIELD_LIMIT = 10**6


@dataclass(slots=True)
class Folder:
    """A folder that is read file by file; `missing` collects a line for each that is not there or not whole."""

    path: Path
    missing: list[str] = field(default_factory=list)

    def json(self, name: str, what: str = "") -> dict[str, Any]:
        """Return the mapping in a JSON file, empty where there is none; `what` names it among the missing."""
        content = self._text(name, what)
        if content is None:
            return {}
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            self.missing.append(f"{name} cannot be read as JSON: {what or 'it'} is not shown.")
            return {}
        return value

    def rows(self, name: str, what: str = "") -> list[dict[str, str]]:
        """Return the rows of a CSV file, none where it is not there; rows that are not whole are left out."""
        content = self._text(name, what)
        if content is None:
            return []
        csv.field_size_limit(_FIELD_LIMIT)
        try:
            return [row for row in csv.DictReader(io.StringIO(content)) if None not in row and None not in row.values()]
        except csv.Error:
            self.missing.append(f"{name} cannot be read as CSV: {what or 'it'} is not shown.")
            return []

    def yaml(self, name: str, what: str = "") -> dict[str, Any]:
        """Return the mapping in a YAML file, empty where there is none."""
        content = self._text(name, what)
        try:
            value = yaml.safe_load(content or "")
        except yaml.YAMLError:
            value = None
        if content is not None and not isinstance(value, dict):
            self.missing.append(f"{name} cannot be read as YAML: {what or 'it'} is not shown.")
        return value if isinstance(value, dict) else {}

    def _text(self, name: str, what: str) -> str | None:
        try:
            return (self.path / name).read_text("utf-8", "replace")
        except OSError:
            if what:
                self.missing.append(f"{name} is not there: {what} cannot be shown.")
            return None


def real(row: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number from a row, `None` where there is none."""
    try:
        value = float(row[key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def column(rows: Sequence[Mapping[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    """Return two columns of numbers, of the rows that have both."""
    pairs = [(real(row, x), real(row, y)) for row in rows]
    whole = [(a, b) for a, b in pairs if a is not None and b is not None]
    return [a for a, _ in whole], [b for _, b in whole]


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with dotted names."""
    result: dict[str, Any] = {}
    for key, item in value.items():
        result |= flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) and item else {f"{prefix}{key}": item}
    return result
