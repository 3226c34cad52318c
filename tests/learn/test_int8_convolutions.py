"""Convolutions in int8: near, blind to what stands beside an image, and what the head of a bundle learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from moodfuse.data.formats.readers import read_posts
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.int8_convolutions import int8_convolutions
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.graph_check import check_graph
from moodfuse.runtime.graphs import EncoderSession
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.training import train
from tiny_checkpoints import checkpoint, load


@pytest.fixture(scope="module")
def resnet() -> EncoderSource:
    return load("tiny/resnet", "image")


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


def vectors(graph: Path, pixels: np.ndarray, *, at_once: int) -> np.ndarray:
    session = EncoderSession(graph, threads=1).session
    batches = [pixels[start : start + at_once] for start in range(0, len(pixels), at_once)]
    return np.concatenate([session.run(["pooled"], {"pixels": batch})[0] for batch in batches])


def test_every_convolution_reads_and_gives_8_bits_and_stays_near(resnet: EncoderSource, tmp_path: Path) -> None:
    full = resnet.at("fp32").graph()
    graph = tmp_path / "image.onnx"
    graph.write_bytes(int8_convolutions(full.read_bytes(), resnet.spec))  # type: ignore[arg-type]
    check_graph(graph)  # a bundle may hold it
    model = onnx.load_model_from_string(graph.read_bytes())
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert {made_by[name] for node in convolutions for name in node.input} == {"DequantizeLinear"}
    steps = [numpy_helper.to_array(one) for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8]
    assert max(np.abs(one.astype(int)).max() for one in steps) == 64  # 7 bits
    pixels = np.random.default_rng(0).normal(0, 1, (5, 3, 37, 37)).astype(np.float32)
    less = vectors(graph, pixels, at_once=5)
    assert cosines(vectors(full, pixels, at_once=5), less).min() >= 0.95
    np.testing.assert_array_equal(vectors(graph, pixels, at_once=1), less)


def test_a_transformer_stays_as_it_is() -> None:
    vit = load("tiny/vit", "image")
    graph = vit.at("fp32").graph().read_bytes()
    assert int8_convolutions(graph, vit.spec) is graph  # type: ignore[arg-type]


def test_a_head_learns_from_the_vectors_that_its_bundle_computes(synthetic_folder: Path, tmp_path: Path) -> None:
    settings = {
        "model": {"image": str(checkpoint("tiny/resnet"))},
        "train": {"epochs": 1, "batch_size": 16},
        "export": {"image": "int8"},
    }
    config = resolve_config("image", overrides=[settings])
    posts = read_posts(synthetic_folder)[:40]
    bundle = train(posts, config, name="int8", runs=tmp_path).bundle
    source = encoder_sources(config)["image"]
    assert bundle.path("image.onnx").read_bytes() == source.graph().read_bytes()
    learned = np.stack([row["pooled"] for row in source.features(posts).rows if row is not None])
    predictor = Predictor(bundle)
    _, run = predictor.encode_pooled([predictor.prepare(post) for post in posts])
    shipped = np.stack([row["pooled"] for row in run if row is not None])
    np.testing.assert_allclose(shipped, learned, rtol=1e-3, atol=1e-4)  # the store rounds to fp16
    full = np.stack([row["pooled"] for row in source.at("fp32").features(posts).rows if row is not None])
    assert np.abs(full - learned).max() > 1e-2
