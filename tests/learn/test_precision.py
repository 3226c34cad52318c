"""Graphs kept in fewer bits: smaller, near, and still blind to what stands beside a post."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from moodfuse.config import DataConfig
from moodfuse.data.formats.readers import read_posts
from moodfuse.labels import SENTIMENT
from moodfuse.learn import precision
from moodfuse.learn.bundling import export_bundle
from moodfuse.learn.compare.cell import CellData, run_cell
from moodfuse.learn.encoders import find_encoder
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.parts import label_ids
from moodfuse.learn.precision import reduce_weights
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import update_manifest
from moodfuse.runtime.graphs import open_session
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.training import train

SMALL = {"export": {"text": "int8", "image": "fp16", "head": "fp16"}, "train": {"epochs": 6, "batch_size": 16}}


@pytest.fixture(scope="module")
def minilm() -> bytes:
    return find_encoder("minilm", "text", DataConfig()).graph().read_bytes()


def pooled(graph: bytes, ids: np.ndarray) -> np.ndarray:
    return open_session(graph).run(["pooled"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]


@pytest.mark.parametrize(
    ("precision", "size", "nearest"),
    [("fp16", 0.51, 0.999_99), ("int8", 0.30, 0.995), ("int8_dynamic", 0.27, 0.98)],
)
def test_fewer_bits_make_a_smaller_graph_that_computes_nearly_the_same(
    minilm: bytes, precision: str, size: float, nearest: float
) -> None:
    reduced = reduce_weights(minilm, precision)  # type: ignore[arg-type]
    assert len(reduced) <= size * len(minilm)
    ids = np.random.default_rng(0).integers(1_000, 20_000, (6, 12))
    full, less = pooled(minilm, ids), pooled(reduced, ids)
    cosines = (full * less).sum(-1) / np.linalg.norm(full, axis=-1) / np.linalg.norm(less, axis=-1)
    assert cosines.min() >= nearest
    alone = np.concatenate([pooled(reduced, ids[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(alone, less, atol=1e-5)


def in_four_bits(table: np.ndarray) -> np.ndarray:
    """Return a table (rows, width) as a file that holds 4 bits a weight would give it back."""
    blocks = table.reshape(len(table), -1, 32)
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    scales = (furthest / -8).astype(np.float16).astype(np.float32)
    steps = np.clip(np.rint(blocks / np.where(scales == 0, 1, scales)), -8, 7)
    return (steps * scales).astype(np.float32).reshape(table.shape)


def test_a_table_that_had_four_bits_keeps_them_without_any_loss(minilm: bytes) -> None:
    """int8 would round its blocks anew, and take twice the space."""
    model = onnx.load_model_from_string(minilm)
    [table] = [tensor for tensor in model.graph.initializer if tensor.name.endswith("word_embeddings.weight")]
    before = onnx.numpy_helper.to_array(table)
    coarse = in_four_bits(before)
    coarse[5] = 0  # padding: no scale
    table.CopyFrom(onnx.numpy_helper.from_array(coarse, table.name))
    reduced = reduce_weights(model.SerializeToString(), "int8")
    kept = {tensor.name: tensor for tensor in onnx.load_model_from_string(reduced).graph.initializer}
    assert kept[f"{table.name}.int4"].dims == [len(before), before.shape[1] // 2]
    assert len(reduced) < len(reduce_weights(minilm, "int8")) - before.size * 0.45
    rounded = {name for name in kept if name.endswith((".int8", ".scale")) and not name.startswith(table.name)}
    assert rounded  # the matrices are in int8 as ever
    ids = np.random.default_rng(0).integers(0, 20_000, (6, 12))
    ids[0, :3] = 5
    full = onnx.load_model_from_string(reduced)
    only = onnx.helper.make_tensor_value_info
    lookup = next(node.output[0] for node in full.graph.node if node.input[0] == f"{table.name}.int4")
    out = lookup.removesuffix(".packed")
    full.graph.output.append(only(out, onnx.TensorProto.FLOAT, None))
    found = open_session(full.SerializeToString()).run([out], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[
        0
    ]
    np.testing.assert_array_equal(found, coarse[ids])


def test_of_an_embedding_table_only_the_rows_that_are_looked_up_are_decoded(minilm: bytes) -> None:
    """Decoding the whole table cost 20 ms a call, three times what everything else in it did."""
    model = onnx.load_model_from_string(reduce_weights(minilm, "int8"))
    kept = {tensor.name for tensor in model.graph.initializer}
    looked_up = [node.input[0] for node in model.graph.node if node.op_type == "Gather"]
    whole = {node.output[0] for node in model.graph.node if set(node.input) & kept and node.op_type != "Gather"}
    assert any(name.endswith("word_embeddings.weight.int8") for name in looked_up)
    assert not whole & set(looked_up)


def test_int8_keeps_a_convolution_with_a_scale_a_channel_and_decodes_it_once() -> None:
    image = find_encoder("efficientnet-lite0", "image", DataConfig())
    full = image.graph().read_bytes()
    reduced = reduce_weights(full, "int8")
    assert len(reduced) <= 0.28 * len(full)
    assert not [node for node in onnx.load_model_from_string(reduced).graph.node if node.op_type == "DequantizeLinear"]
    pixels = np.random.default_rng(0).normal(0, 1, (2, 3, 224, 224)).astype(np.float32)
    vectors, less = (open_session(graph).run(["pooled"], {"pixels": pixels})[0] for graph in (full, reduced))
    cosines = (vectors * less).sum(-1) / np.linalg.norm(vectors, axis=-1) / np.linalg.norm(less, axis=-1)
    assert cosines.min() >= 0.99


def test_in_int8_dynamic_every_token_has_a_scale_of_its_own(minilm: bytes) -> None:
    """With one scale for a batch, as ONNX Runtime has it, a loud neighbour takes the others' last bits."""
    model = onnx.load_model_from_string(reduce_weights(minilm, "int8_dynamic"))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulInteger") == 6 * 6  # of six layers: query, key, value, output, and two more
    assert kinds.count("QuantizeLinear") == 6 * 4  # the first three share what they read
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    products = {node.input[1] for node in model.graph.node if node.op_type == "MatMulInteger"}
    steps = [onnx.numpy_helper.to_array(tensor) for tensor in weights if tensor.name in products]
    assert max(np.abs(step).max() for step in steps) == 63  # sums of two products fit into 16 bits


def test_int8_dynamic_takes_a_table_that_is_also_multiplied_with_and_tokens_of_zeros() -> None:
    random = np.random.default_rng(0)
    table = random.normal(0, 1, (64, 64)).astype(np.float32)
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"], axis=0),
        helper.make_node("Mul", ["rows", "loud"], ["tokens"]),
        helper.make_node("MatMul", ["tokens", "table"], ["pooled"]),
    ]
    inputs = [helper.make_tensor_value_info("ids", kind.INT64, ["batch", "tokens"])]
    inputs.append(helper.make_tensor_value_info("loud", kind.FLOAT, ["batch", "tokens", 1]))
    outputs = [helper.make_tensor_value_info("pooled", kind.FLOAT, ["batch", "tokens", 64])]
    graph = helper.make_graph(nodes, "tied", inputs, outputs, [onnx.numpy_helper.from_array(table, "table")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = open_session(reduce_weights(model.SerializeToString(), "int8_dynamic"))
    ids, loud = random.integers(0, 64, (3, 5)), np.ones((3, 5, 1), np.float32)
    loud[1], loud[2] = 0, 1_000  # a post of zeros, and one beside which the others must not fade
    found = session.run(["pooled"], {"ids": ids, "loud": loud})[0]
    expected = (table[ids] * loud) @ table
    np.testing.assert_allclose(found[0], expected[0], atol=0.03 * np.abs(expected[0]).max())
    assert not found[1].any()
    alone = session.run(["pooled"], {"ids": ids[:1], "loud": loud[:1]})[0]
    np.testing.assert_array_equal(alone[0], found[0])


def test_full_precision_is_the_graph_itself(minilm: bytes) -> None:
    assert reduce_weights(minilm, "fp32") is minilm


def test_a_graph_holds_no_path_of_the_machine_that_exported_it(minilm: bytes) -> None:
    assert b"site-packages" not in minilm
    assert str(Path.cwd()).encode() not in minilm


@pytest.mark.slow
def test_a_reduced_bundle_says_how_far_it_is_from_its_model(synthetic_folder: Path, tmp_path: Path) -> None:
    posts = read_posts(synthetic_folder)
    result = train(posts, resolve_config("concat", overrides=[SMALL]), name="small", runs=tmp_path)
    manifest = result.bundle.manifest
    assert manifest.precision == {"text": "int8", "image": "fp16"}
    assert manifest.parity["fp32_probability"] <= 1e-4 < manifest.parity["probability"] < 0.1
    size = sum(path.stat().st_size for path in result.bundle.folder.iterdir())
    assert size <= 40_000_000
    head = onnx.load_model_from_string(result.bundle.path("head.onnx").read_bytes())
    assert onnx.TensorProto.FLOAT16 in {tensor.data_type for tensor in head.graph.initializer}
    predictor = Predictor(result.bundle)
    together = list(predictor.stream(posts[:12]))
    for post, one in zip(posts[:12], together, strict=True):
        [alone] = predictor.stream([post])
        assert alone.probabilities == pytest.approx(one.probabilities, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["int8", "int8_dynamic"])
def test_a_cell_predicts_with_the_bits_that_its_bundle_would_ship(
    tiny_bert: Path, synthetic_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: str
) -> None:
    monkeypatch.setattr(precision, "_LEAST", 16)  # the tiny encoder's weights are all small
    training = {"regime": "end_to_end", "tune": ["text"], "epochs": 1, "batch_size": 8, "precision": "fp32"}
    settings = {"model": {"text": str(tiny_bert)}, "train": training, "export": {"text": bits, "head": "int8"}}
    config = resolve_config("text", overrides=[settings])
    posts = read_posts(synthetic_folder)[:40]
    rows = {"train": range(24), "validation": range(24, 32), "test": range(32, 40)}
    with feature_folder(posts, [config]) as features:
        data = CellData(label_ids(posts, SENTIMENT), range(40), features)
        cell = run_cell(config, data, rows)
        fitted = cell.fitted
        bundle = export_bundle(fitted.model, fitted.modalities, config, tmp_path / "b", posts[:4], name="b")
    predictor = Predictor(update_manifest(bundle, temperature=cell.temperature))
    said = [list(one.probabilities.values()) for one in predictor.stream(posts[32:])]
    np.testing.assert_allclose(cell.probabilities[""], said, atol=1e-6)
