"""A bundle that was made elsewhere answers a few posts, within limits of time and memory, before it is used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.runtime.hostile_bundles import change, refused, reseal

from moodfuse.errors import ConfigError
from moodfuse.runtime.bundle import default_bundle, read_bundle


@pytest.fixture
def bundle(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run / "bundle", tmp_path / "bundle"))


def adding(bundle: Path, shape: list[int], products: int) -> None:
    """Have the head add zero, which it takes from so many products of a matrix of ones, as broad as is said."""

    def work(model: onnx.ModelProto) -> None:
        graph = model.graph
        [last] = [node for node in graph.node if "logits" in node.output]
        last.output[:] = ["before"]
        ones = {"shape": np.array(shape), "one": np.float32(1), "low": np.float32(0)}
        graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in ones.items())
        nodes = [helper.make_node("Expand", ["one", "shape"], ["m0"])]
        nodes += [helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(products)]
        nodes += [helper.make_node("Clip", [f"m{products}", "low", "low"], ["zeros"])]
        nodes += [helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0)]
        nodes += [helper.make_node("Add", ["before", "zero"], ["logits"])]
        graph.node.extend(nodes)

    change(bundle / "head.onnx", work)
    reseal(bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system limits neither CPU time nor memory")
def test_a_graph_that_computes_for_ever_is_refused_when_the_bundle_is_read(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOODFUSE_PROBE_SECONDS", "2")
    adding(bundle, [3_000, 3_000], 500)
    assert "answering three posts takes more than 3 s of CPU time" in refused(bundle)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not limit memory")
def test_a_graph_that_asks_for_much_memory_is_refused_when_the_bundle_is_read(bundle: Path) -> None:
    adding(bundle, [100_000, 100_000], 0)
    assert "head.onnx: ONNX Runtime cannot run it" in refused(bundle)


def test_a_bundle_is_tried_once_and_neither_ours_nor_the_packaged_ever(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bundle(bundle)  # made here
    reseal(bundle, name="a stranger's")
    read_bundle(bundle)
    monkeypatch.setenv("MOODFUSE_PROBE_SECONDS", "none")
    read_bundle(bundle)
    read_bundle(default_bundle())
    monkeypatch.setenv("MOODFUSE_CACHE", str(tmp_path / "elsewhere"))
    read_bundle(default_bundle())
    with pytest.raises(ConfigError, match="MOODFUSE_PROBE_SECONDS: expected a whole number"):
        read_bundle(bundle)


def test_a_bundle_is_read_where_the_cache_cannot_be_written(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOODFUSE_CACHE", str(bundle / "manifest.json" / "no folder"))
    assert read_bundle(bundle).manifest.labels
