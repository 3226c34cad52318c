"""Labels that people give, in SQLite beside the answers: kept at every key, safe for several people at once.

Every key is a row of `actions`: what holds is a person's last on a post, and undo takes the person's last one away.
Nothing is ever written over.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from moodfuse.decide.queue import QueuedPost
from moodfuse.errors import DataError, OutputError

Kind = Literal["label", "skip", "note"]

_VERSION = 1
_MADE_BY = 0x6D6F6F64  # "mood"
_PRAGMAS = ("application_id", "user_version")  # where SQLite keeps these two
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posts (
  place INTEGER PRIMARY KEY, row INTEGER NOT NULL UNIQUE, digest TEXT NOT NULL,
  drawn TEXT NOT NULL CHECK (drawn IN ('random', 'queue')));
CREATE TABLE IF NOT EXISTS actions (
  number INTEGER PRIMARY KEY, row INTEGER NOT NULL REFERENCES posts (row), person TEXT NOT NULL,
  settles INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('label', 'skip', 'note')), value TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS action_of ON actions (row, person, settles);
"""
_SECONDS = 30.0  # that a session waits for another one's transaction


@dataclass(frozen=True, slots=True)
class GivenLabel:
    """What a person says of a post; `label` is `None` where they skipped it.

    One that `settles` was given where others differed, knowing that they do.
    """

    row: int
    person: str
    settles: bool
    label: str | None


class LabelStore:
    """The file of one review. A session holds one; use it from one thread at a time.

    Raises `DataError` where the file is none of a review, `OutputError` where it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._told():
            self._base = sqlite3.connect(path, timeout=_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._base.close()
                raise

    def _prepare(self) -> None:
        with self._writing():  # from here on no other session prepares it
            made_by, version = (self._base.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS)
            filled = self._base.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
            if made_by != _MADE_BY and (made_by or filled):
                raise DataError(
                    f"{self.path}: expected a file of moodfuse review, found another database; move it away"
                )
            if version > _VERSION:
                raise DataError(
                    f"{self.path}: was written by a later moodfuse; update this one: pip install -U moodfuse"
                )
            for statement in filter(str.strip, _TABLES.split(";")):
                self._base.execute(statement)
            for name, value in zip(_PRAGMAS, (_MADE_BY, _VERSION), strict=True):
                self._base.execute(f"PRAGMA {name} = {value}")
        with contextlib.suppress(sqlite3.OperationalError):  # somebody reads: the next session turns it on
            self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")  # what was said to be saved survives a power cut

    def close(self) -> None:
        """Let go of the file; what was given is in it already."""
        self._base.close()

    def facts(self) -> dict[str, Any]:
        """Return what was noted last when posts were added; nothing in a new file."""
        return {name: json.loads(value) for name, value in self._all("SELECT name, value FROM facts")}

    def posts(self) -> list[QueuedPost]:
        """Return the queue, in order."""
        return [QueuedPost(*row) for row in self._all("SELECT row, drawn FROM posts ORDER BY place")]

    def digests(self) -> dict[int, str]:
        """Return the digest of each queued post, by row."""
        return dict(self._all("SELECT row, digest FROM posts"))

    def add_posts(
        self, posts: Sequence[QueuedPost], digests: Mapping[int, str], facts: Mapping[str, Any], *, after: int
    ) -> bool:
        """Add posts behind the first `after` ones, all or none, and note facts.

        `False`, and nothing is added, where another session has added some meanwhile.
        """
        with self._told(), self._writing():
            [(count,)] = self._base.execute("SELECT count(*) FROM posts").fetchall()
            if count != after:
                return False
            rows = [(after + at, one.row, digests[one.row], one.drawn) for at, one in enumerate(posts)]
            self._base.executemany("INSERT INTO posts VALUES (?, ?, ?, ?)", rows)
            named = [(name, json.dumps(value)) for name, value in facts.items()]
            self._base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", named)
        return True

    def act(self, row: int, person: str, kind: Kind, value: str = "", *, settles: bool = False) -> None:
        """Keep a label, a skip or a note; it is on the disk when this returns."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        command = "INSERT INTO actions (row, person, settles, kind, value, at) VALUES (?, ?, ?, ?, ?, ?)"
        with self._told(), self._writing():
            self._base.execute(command, (row, person, settles, kind, value, at))

    def undo(self, person: str, *, settles: bool = False) -> int | None:
        """Take back the person's last label, skip or note; return the post's row, `None` where there is nothing."""
        with self._told(), self._writing():
            found = self._base.execute(
                "SELECT number, row FROM actions WHERE person = ? AND settles = ? ORDER BY number DESC LIMIT 1",
                (person, settles),
            ).fetchone()
            if found is None:
                return None
            self._base.execute("DELETE FROM actions WHERE number = ?", found[:1])
        return int(found[1])

    def labels(self) -> list[GivenLabel]:
        """Return what each person says of each post now, in the order in which it was said."""
        return [
            GivenLabel(row, person, bool(settles), value if kind == "label" else None)
            for row, person, settles, kind, value in self._latest("('label', 'skip')")
        ]

    def notes(self) -> dict[int, dict[str, str]]:
        """Return the notes of each post, by row and person."""
        found: dict[int, dict[str, str]] = {}
        for row, person, _, _, value in self._latest("('note')"):
            if value:
                found.setdefault(row, {})[person] = value
        return found

    def _latest(self, kinds: str) -> list[tuple[Any, ...]]:
        return self._all(
            "SELECT row, person, settles, kind, value FROM actions WHERE number IN (SELECT max(number) FROM actions "
            f"WHERE kind IN {kinds} GROUP BY row, person, settles) ORDER BY number"
        )

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        with self._told():
            return self._base.execute(query).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the file's only right to write until the block ends; an error takes everything in it back."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:  # a full disk may have ended it already
                self._base.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say what SQLite says in a line."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"{self.path}: cannot be used ({error}); what was saved before is kept; free the file, or make room"
            ) from None
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self.path}: is no file of moodfuse review ({error}); move it away") from None
