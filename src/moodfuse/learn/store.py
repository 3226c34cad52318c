"""The feature store: one SQLite file that keeps encoder outputs by content, for every data set and run."""

from __future__ import annotations

import hashlib
import logging
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.errors import in_a_line

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
_KNOWS_DIGESTS = "SELECT count(*) FROM sqlite_master WHERE name = 'digests'"
# What a store of 0.1 holds is taken as it is, once.
_DIGESTS = """
CREATE TABLE IF NOT EXISTS digests (key BLOB PRIMARY KEY, digest BLOB NOT NULL);
INSERT OR IGNORE INTO digests SELECT key, digest(key, rows, value) FROM features;
"""
_SELECT = """
SELECT features.key, used, rows, value, digests.digest FROM features LEFT JOIN digests ON digests.key = features.key
WHERE features.key IN ({})
"""


class FeatureStore:
    """Keeps float16 arrays under 32-byte keys. Losing the store costs time, never a result.

    A value that is not what was stored, by its digest, is told of and counts as not there, so that it is computed
    anew. A damaged file is set aside (`features.sqlite.damaged`) and a new one begun. If the file cannot be read or
    written (disk full, locked for long), the store warns once and is no longer used: the run continues without it.
    Several processes may share the file.
    """

    def __init__(self, path: Path | None = None, *, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path or files.cache_folder() / "features.sqlite"
        self._cap = cap_bytes
        self._broken = False
        self._set_aside = False
        self._file: int | None = None
        self._prepare()

    def get(self, keys: Iterable[bytes]) -> dict[bytes, np.ndarray]:
        """Return the stored arrays of `keys`: float16, (D,) or (T, D)."""
        wanted = list(keys)
        asked = set(wanted)
        found: dict[bytes, np.ndarray] = {}
        damaged = 0
        if self._broken:
            return found
        with self._guarded(), closing(self._connect()) as connection:
            now = int(time.time())
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start : start + _CHUNK]
                query = _SELECT.format(",".join("?" * len(part)))
                stale = []
                for key, used, rows, value, digest in connection.execute(query, part):
                    array = _array(key, rows, value, digest)
                    if array is None or key not in asked:
                        damaged += 1
                        continue
                    found[key] = array
                    if not isinstance(used, int) or now - used > _TOUCH_SECONDS:
                        stale.append((now, key))
                if stale:
                    connection.executemany("UPDATE features SET used = ? WHERE key = ?", stale)
            connection.commit()
        if damaged:
            log.warning("feature store %s: %d of its values are damaged, and computed anew", self.path, damaged)
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
            digests = [(key, _digest(key, count, value)) for key, _, count, value in rows]
            connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?)", digests)

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
                connection.execute("DELETE FROM digests WHERE key NOT IN (SELECT key FROM features)")

    def _prepare(self) -> None:
        with self._guarded(), closing(self._connect()) as connection:
            connection.executescript(_SCHEMA)
            if connection.execute(_KNOWS_DIGESTS).fetchone() == (0,):
                connection.create_function("digest", 3, _digest)
                connection.executescript(f"BEGIN IMMEDIATE; {_DIGESTS} COMMIT;")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60)
        self._file = self.path.stat().st_ino
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            if _is_damage(error) and not self._set_aside:
                self._begin_anew(error)
                return
            if not self._broken:
                log.warning("feature store %s is not usable (%s): going on without it", self.path, error)
            self._broken = True

    def _begin_anew(self, error: Exception) -> None:
        """Set a damaged file aside, unless another process has done so meanwhile, and begin a new one."""
        self._set_aside = True
        aside = self.path.with_name(f"{self.path.name}.damaged")
        log.warning(
            "feature store %s is damaged (%s): kept as %s, and begun anew", self.path, in_a_line(error), aside.name
        )
        try:
            if self.path.stat().st_ino == self._file:
                self.path.replace(aside)
                for ending in ("-wal", "-shm"):  # they belong to the old file
                    self.path.with_name(f"{self.path.name}{ending}").unlink(missing_ok=True)
        except OSError as reason:
            log.warning("feature store %s cannot be moved (%s): going on without it", self.path, reason)
            self._broken = True
            return
        self._prepare()


def _is_damage(error: Exception) -> bool:
    """Say whether an error is the file's own: what it says may be garbage, too. SQLITE_ERROR: a table is not there."""
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_BUSY) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _digest(key: bytes, rows: int, value: bytes) -> bytes:
    return hashlib.blake2b(value, key=b"%d" % rows, salt=key[:16], digest_size=8).digest()


def _array(key: Any, rows: Any, value: Any, digest: Any) -> np.ndarray | None:
    """Return a stored array, `None` for what is not what was stored."""
    if (
        not isinstance(key, bytes)
        or not isinstance(value, bytes)
        or not isinstance(rows, int)
        or rows < 0
        or len(value) % (2 * max(rows, 1))
    ):
        return None
    if digest != _digest(key, rows, value):
        return None
    array = np.frombuffer(value, np.float16)
    return array.reshape(rows, -1) if rows else array
