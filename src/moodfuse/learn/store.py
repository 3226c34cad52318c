"""The feature store: one SQLite file that keeps encoder outputs by content, for every data set and run."""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from moodfuse import files

log = logging.getLogger(__name__)

CAP_BYTES = 10_000_000_000
_TOUCH_SECONDS = 3_600  # reading marks a row as used at most once an hour
_CHUNK = 500  # keys per query: below SQLite's oldest limit of 999 variables

_SCHEMA = """
CREATE TABLE IF NOT EXISTS features (
  key BLOB PRIMARY KEY, used INTEGER NOT NULL, rows INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS features_used ON features (used);
"""


class FeatureStore:
    """Keeps float16 arrays under 32-byte keys. Losing the store costs time, never a result.

    If the file cannot be read or written (disk full, damaged, locked for long), the store warns once and is no longer
    used: the run continues without it. Several processes may share the file.
    """

    def __init__(self, path: Path | None = None, *, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path or files.cache_folder() / "features.sqlite"
        self._cap = cap_bytes
        self._broken = False
        with self._guarded(), closing(self._connect()) as connection:
            connection.executescript(_SCHEMA)

    def get(self, keys: Iterable[bytes]) -> dict[bytes, np.ndarray]:
        """Return the stored arrays of `keys`: float16, (D,) or (T, D)."""
        wanted = list(keys)
        found: dict[bytes, np.ndarray] = {}
        if self._broken:
            return found
        with self._guarded(), closing(self._connect()) as connection:
            now = int(time.time())
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, used, rows, value FROM features WHERE key IN ({marks})"
                stale = []
                for key, used, rows, value in connection.execute(query, part):
                    array = np.frombuffer(value, np.float16)
                    found[key] = array.reshape(rows, -1) if rows else array
                    if now - used > _TOUCH_SECONDS:
                        stale.append((now, key))
                if stale:
                    connection.executemany("UPDATE features SET used = ? WHERE key = ?", stale)
            connection.commit()
        return found

    def put(self, arrays: Mapping[bytes, np.ndarray]) -> None:
        """Store arrays, (D,) or (T, D), as float16."""
        if self._broken:
            return
        now = int(time.time())
        rows = [
            (key, now, array.shape[0] if array.ndim == 2 else 0, array.astype(np.float16).tobytes())
            for key, array in arrays.items()
        ]
        with self._guarded(), closing(self._connect()) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", rows)

    def trim(self) -> None:
        """Delete the least recently used features until the store is under its cap."""
        if self._broken:
            return
        with self._guarded(), closing(self._connect()) as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            taken = (pages - free) * size
            if taken <= self._cap:
                return
            # Deletes the excess share of rows as if all had the same size: reading every size could take minutes.
            (rows,) = connection.execute("SELECT count(*) FROM features").fetchone()
            doomed = math.ceil(rows * (1 - self._cap / taken))
            with connection:
                connection.execute(
                    "DELETE FROM features WHERE rowid IN (SELECT rowid FROM features ORDER BY used LIMIT ?)", (doomed,)
                )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not self._broken:
                log.warning("feature store %s is not usable (%s): going on without it", self.path, error)
            self._broken = True
