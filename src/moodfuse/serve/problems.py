"""Errors as RFC 9457 problem details: every answer that is no success has this one shape."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"

#: For OpenAPI.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string", "description": "the status in words"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what was expected, what was found, what to do"},
        "instance": {"type": "string", "description": "id of the request, as in the log and in X-Request-Id"},
    },
}


# Full, and not to be written to; Windows has no quota.
_NOTHING_KEPT = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS, errno.EACCES})


class Problem(Exception):
    """A request that cannot be answered as asked."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> bytes:
        """Return the problem as JSON."""
        value = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": request_id,
        }
        return json.dumps(value).encode()


def keeps_nothing(error: OSError) -> bool:
    """Say whether a write failed because the disk, or what one may use of it, is full or not to be written to."""
    return error.errno in _NOTHING_KEPT
