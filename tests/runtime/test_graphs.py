"""Batches by length, padding, and the collation that feeds a head."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodfuse.runtime import graphs
from moodfuse.runtime.bundle import default_bundle
from moodfuse.runtime.collation import head_feed, length_batches, pad_sequences, pad_tokens
from moodfuse.runtime.graphs import EncoderSession


@given(st.lists(st.integers(1, 128), max_size=60), st.integers(1, 400))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = length_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_padding_is_masked() -> None:
    ids, mask = pad_tokens([[5, 6], [7]], pad_id=9)
    assert ids.tolist() == [[5, 6], [7, 9]]
    assert mask.tolist() == [[1, 1], [1, 0]]


def test_sequences_pad_to_the_longest_and_an_absent_one_is_a_single_visible_place() -> None:
    padded, mask = pad_sequences([np.ones((3, 2), np.float32), None], 2)
    assert padded.shape == (2, 3, 2)
    assert mask.tolist() == [[True, True, True], [True, False, False]]


def test_the_feed_has_the_inputs_that_are_named() -> None:
    encodings = {"text": [{"pooled": np.ones(2, np.float32)}, None], "image": [None, None]}
    feed = head_feed(["text_pooled", "text_present"], encodings, {"text": 2, "image": 0})
    assert set(feed) == {"text_pooled", "text_present"}
    assert feed["text_present"].tolist() == [True, False]
    assert feed["text_pooled"].tolist() == [[1, 1], [0, 0]]


def test_onnx_runtime_tells_nobody_of_its_start(tmp_path: Path) -> None:
    """Where its telemetry is on, it leaves a session file in the temporary folder before it looks for the network."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = "import moodfuse.runtime.graphs, onnxruntime, time; time.sleep(0.5)"
    subprocess.run([sys.executable, "-c", code], env=environment | {"TMPDIR": str(tmp_path)}, check=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wide", [200_000_000, 1])  # bytes from which on a graph counts as large
def test_batches_that_run_at_once_come_back_in_order(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_WIDE", wide)
    pixels = np.random.default_rng(0).normal(size=(6, 3, 224, 224)).astype(np.float32)
    batches = [partial(dict, pixels=pixels[i : i + 1]) for i in range(6)]
    found = {}
    for threads in (1, 3):
        session = EncoderSession(default_bundle() / "image.onnx", threads=threads)
        found[threads] = np.concatenate([pooled for (pooled,) in session.run(("pooled",), batches)])
    assert found[1].shape == (6, session.width)
    np.testing.assert_allclose(found[3], found[1], atol=1e-5)
