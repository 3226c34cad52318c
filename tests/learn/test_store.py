"""The feature store: what goes in comes out, and a broken file costs time, never a run."""

import logging
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from moodfuse.learn.store import FeatureStore


def test_vectors_and_sequences_come_back(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "f.sqlite")
    vector, sequence = np.arange(4, dtype=np.float32), np.ones((3, 2), np.float32)
    store.put({b"v": vector, b"s": sequence})
    back = FeatureStore(tmp_path / "f.sqlite").get([b"v", b"s", b"unknown"])
    assert set(back) == {b"v", b"s"}
    np.testing.assert_array_equal(back[b"v"], vector)
    np.testing.assert_array_equal(back[b"s"], sequence)


def test_more_keys_than_one_query_takes(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "f.sqlite")
    store.put({str(i).encode(): np.full(2, i, np.float32) for i in range(1_203)})
    assert len(store.get([str(i).encode() for i in range(1_203)])) == 1_203


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "f.sqlite", cap_bytes=60_000)
    store.put({f"old{i}".encode(): np.zeros(1_000, np.float32) for i in range(40)})
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE features SET used = 0")
    store.put({b"new": np.zeros(1_000, np.float32)})
    store.trim()
    assert b"new" in store.get([b"new"])
    assert 0 < len(store.get([f"old{i}".encode() for i in range(40)])) < 40


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_damaged_store_is_told_of_set_aside_and_begun_anew(
    when: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, damaged = tmp_path / "f.sqlite", b"this is no database" * 1_000
    if when == "before":
        path.write_bytes(damaged)
    store = FeatureStore(path)
    if when == "meanwhile":
        path.write_bytes(damaged)
    assert store.get([b"a"]) == {}
    store.put({b"a": np.ones(2, np.float32)})
    assert set(FeatureStore(path).get([b"a"])) == {b"a"}
    assert (tmp_path / "f.sqlite.damaged").read_bytes() == damaged
    [told] = warnings(caplog)
    assert "kept as f.sqlite.damaged, and begun anew" in told


def test_a_store_that_cannot_be_made_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f.sqlite"
    path.mkdir()
    store = FeatureStore(path)
    store.put({b"a": np.zeros(2, np.float32)})
    assert store.get([b"a"]) == {}
    assert len([told for told in warnings(caplog) if "going on without it" in told]) == 1


@pytest.mark.parametrize("change", ["value = randomblob(8)", "value = randomblob(7)", "rows = 3", "value = 'a'"])
def test_a_damaged_value_is_told_of_and_counts_as_not_there(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FeatureStore(tmp_path / "f.sqlite")
    store.put({b"a": np.arange(4, dtype=np.float32), b"b": np.ones(4, np.float32)})
    with sqlite3.connect(store.path) as connection:
        connection.execute(f"UPDATE features SET {change} WHERE key = ?", (b"a",))
    assert set(store.get([b"a", b"b"])) == {b"b"}
    assert "1 of its values are damaged, and computed anew" in warnings(caplog)[0]
    store.put({b"a": np.arange(4, dtype=np.float32)})
    assert set(store.get([b"a", b"b"])) == {b"a", b"b"}


def test_random_bytes_in_a_store_change_no_answer(tmp_path: Path) -> None:
    arrays = {f"key{i}".encode(): np.random.default_rng(i).normal(size=500).astype(np.float32) for i in range(200)}
    random = np.random.default_rng(0)
    for _ in range(10):
        path = tmp_path / "f.sqlite"
        FeatureStore(path).put(arrays)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data = bytearray(path.read_bytes())
        for at in random.integers(0, len(data), 200):
            data[at] = random.integers(0, 256)
        path.write_bytes(data)
        store = FeatureStore(path)
        for key, array in store.get(arrays).items():
            np.testing.assert_array_equal(array, arrays[key].astype(np.float16))
        store.put(arrays)


def test_a_store_of_0_1_keeps_its_values(tmp_path: Path) -> None:
    path = tmp_path / "f.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE features (key BLOB PRIMARY KEY, used INTEGER NOT NULL, rows INTEGER NOT NULL, "
            "value BLOB NOT NULL)"
        )
        connection.execute("INSERT INTO features VALUES (?, 0, 0, ?)", (b"a", np.ones(3, np.float16).tobytes()))
    np.testing.assert_array_equal(FeatureStore(path).get([b"a"])[b"a"], np.ones(3))
