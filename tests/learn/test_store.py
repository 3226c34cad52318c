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


def test_a_damaged_store_is_told_of_and_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with caplog.at_level(logging.WARNING):
        store = FeatureStore(path)
        store.put({b"a": np.zeros(2, np.float32)})
        assert store.get([b"a"]) == {}
    assert len([record for record in caplog.records if "going on without it" in record.message]) == 1
