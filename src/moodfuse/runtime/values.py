"""Values of an input's own columns, as each format of answers can hold them: nothing of them may be lost."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any


def cell(value: Any) -> str:
    """Return a value as a cell of text: nothing is empty, what has parts is JSON, bytes are base64."""
    if isinstance(value, str):
        return value
    if value is None or _nan(value):
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Mapping | list | tuple):
        return json_text(value)
    return str(value)


def json_text(value: Any) -> str:
    """Return a value as JSON in one line: NaN and infinity are null, bytes {"base64": ...}, times ISO 8601."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:  # numbers that JSON does not have
        return json.dumps(_finite(value), ensure_ascii=False, default=_plain)


def utf8(text: str) -> bytes:
    """Return text in UTF-8; half of a surrogate pair, which UTF-8 does not have, becomes its escape (JSON's own)."""
    return text.encode("utf-8", "backslashreplace")


def whole(text: str) -> str:
    """Return text without halves of surrogate pairs, which become their escapes."""
    return utf8(text).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return value.tolist()
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
