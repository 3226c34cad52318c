"""Labels are kept at every key: through kills, by several sessions at once, and undone one by one."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from moodfuse.decide.label_store import GivenLabel, LabelStore
from moodfuse.decide.queue import QueuedPost
from moodfuse.errors import DataError, OutputError

QUEUE = [QueuedPost(7, "queue"), QueuedPost(3, "random")]
DIGESTS = {7: "seven", 3: "three"}

WRITER = """
import sys
from pathlib import Path
from moodfuse.decide.label_store import LabelStore
from moodfuse.decide.queue import QueuedPost

store = LabelStore(Path(sys.argv[1]))
store.add_posts([QueuedPost(7, "queue"), QueuedPost(3, "random")], {7: "seven", 3: "three"}, {"seed": 0}, after=0)
for number in range(int(sys.argv[3])):
    store.act(7, sys.argv[2], "label", str(number))
    print(number, flush=True)
"""


def store_at(path: Path) -> LabelStore:
    store = LabelStore(path)
    store.add_posts(QUEUE, DIGESTS, {"seed": 4}, after=0)
    return store


def writer(path: Path, person: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), person, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    store = store_at(tmp_path / "a.sqlite")
    store.act(7, "ann", "label", "positive")
    store.act(7, "ann", "note", "irony")
    store.act(3, "ann", "skip")
    store.close()
    again = LabelStore(tmp_path / "a.sqlite")
    assert (again.posts(), again.digests(), again.facts()) == (QUEUE, DIGESTS, {"seed": 4})
    assert again.labels() == [GivenLabel(7, "ann", False, "positive"), GivenLabel(3, "ann", False, None)]
    assert again.notes() == {7: {"ann": "irony"}}


def test_undo_takes_back_one_key_after_another_of_this_person_alone(tmp_path: Path) -> None:
    store = store_at(tmp_path / "a.sqlite")
    store.act(7, "ann", "label", "positive")
    store.act(7, "bob", "label", "neutral")
    store.act(7, "ann", "label", "negative")
    store.act(3, "ann", "note", "why?")
    assert store.undo("ann") == 3
    assert store.notes() == {}
    assert store.undo("ann") == 7
    assert {one.person: one.label for one in store.labels()} == {"ann": "positive", "bob": "neutral"}
    assert store.undo("ann") == 7
    assert store.undo("ann") is None
    assert [one.person for one in store.labels()] == ["bob"]


def test_what_settles_stands_beside_what_was_given(tmp_path: Path) -> None:
    store = store_at(tmp_path / "a.sqlite")
    store.act(7, "ann", "label", "positive")
    store.act(7, "ann", "label", "neutral", settles=True)
    assert [(one.settles, one.label) for one in store.labels()] == [(False, "positive"), (True, "neutral")]
    assert store.undo("ann", settles=True) == 7
    assert store.undo("ann", settles=True) is None
    assert [one.label for one in store.labels()] == ["positive"]


def test_posts_are_added_once_though_two_sessions_begin_together(tmp_path: Path) -> None:
    first, second = LabelStore(tmp_path / "a.sqlite"), LabelStore(tmp_path / "a.sqlite")
    assert first.add_posts(QUEUE, DIGESTS, {"seed": 1}, after=0)
    assert not second.add_posts([QueuedPost(9, "queue")], {9: "nine"}, {"seed": 2}, after=0)
    assert (second.posts(), second.facts()) == (QUEUE, {"seed": 1})
    assert second.add_posts([QueuedPost(9, "queue")], {9: "nine"}, {"seed": 2}, after=2)
    assert [one.row for one in first.posts()] == [7, 3, 9]
    assert first.facts() == {"seed": 2}


def test_sessions_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    running = [writer(path, person, 40) for person in ("ann", "bob", "cid")]  # all make the file, too
    for one in running:
        assert one.communicate(timeout=60)[0].count("\n") == 40
        assert one.returncode == 0
    [(count,)] = sqlite3.connect(path).execute("SELECT count(*) FROM actions").fetchall()
    assert count == 3 * 40
    assert {one.person: one.label for one in LabelStore(path).labels()} == dict.fromkeys(("ann", "bob", "cid"), "39")


def test_a_killed_session_loses_nothing_that_it_had_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    process = writer(path, "ann", 1_000_000)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    kept = [int(value) for (value,) in sqlite3.connect(path).execute("SELECT value FROM actions ORDER BY number")]
    assert kept == list(range(len(kept)))
    assert len(kept) >= int(told[-1]) + 1
    assert LabelStore(path).undo("ann") == 7


def test_another_file_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be read as one " * 30)
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE mine (a)")
    LabelStore(tmp_path / "later.sqlite").close()
    with sqlite3.connect(tmp_path / "later.sqlite") as later:
        later.execute("PRAGMA user_version = 99")
    for name, told in (
        ("text", "no file of moodfuse review"),
        ("other", "another database"),
        ("later", "later moodfuse"),
    ):
        with pytest.raises(DataError, match=told):
            LabelStore(tmp_path / f"{name}.sqlite")
    with pytest.raises(OutputError, match="cannot be used"):
        LabelStore(tmp_path / "no folder" / "a.sqlite")
