"""What the service writes to stderr, and how much of it."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

_MOST_KINDS = 1_000  # kinds of lines that are counted at a time


class Sparing(logging.Filter):
    """Lets lines of a kind (one logger, one template) through `most` times in `seconds`, then tells how many more."""

    def __init__(self, most: int = 5, seconds: float = 60.0) -> None:
        super().__init__()
        self._most = most
        self._seconds = seconds
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}  # since when, and how many

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = (record.name, str(record.msg)), time.monotonic()
        began, count = self._counts.get(kind, (now, 0))
        if now - began >= self._seconds:
            if count > self._most:
                record.msg, record.args = f"{record.getMessage()} ({count - self._most:,} more before)", ()
            began, count = now, 0
        if len(self._counts) >= _MOST_KINDS:
            self._counts.clear()
        self._counts[kind] = began, count + 1
        return count < self._most


def quiet_decoders() -> None:
    """Turn warnings into lines of the log; what Pillow finds odd about a file is none: it is in the post's status."""
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", module=r"PIL\.")


_SPARED = {"handlers": ["spared"], "level": "WARNING", "propagate": False}
_STDERR = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(name)s %(message)s"}},
    "filters": {"sparing": {"()": "moodfuse.serve.logs.Sparing"}},
    "handlers": {"stderr": _STDERR, "spared": {**_STDERR, "filters": ["sparing"]}},
    # uvicorn's own access log would hold the path and the client's address; ours holds neither.
    "loggers": {
        "uvicorn.error": _SPARED,
        "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        "asyncio": _SPARED,
        "py.warnings": _SPARED,
        "moodfuse.serve": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
