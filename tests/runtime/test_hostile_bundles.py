"""A bundle from a stranger, with right hashes: refused in one line, soon, and nothing outside its folder is read."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.runtime.hostile_bundles import change, refused, reseal

from moodfuse.data.text import MAX_CHARS
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import GRAPHS, default_bundle, read_bundle
from moodfuse.runtime.graph_check import OPERATORS, check_graph
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.tokenizer import load_tokenizer
from moodfuse.serve.api import describe_model
from moodfuse.serve.limits import Settings


@pytest.fixture
def bundle(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run / "bundle", tmp_path / "bundle"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", ["manifest.sha256", "head.onnx", "tokenizer.json", "MODEL_CARD.md"])
def test_pipes_and_devices_are_not_opened(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    os.mkfifo(bundle / name)
    assert f"{name} is no file of its own but a folder, a pipe or a device" in refused(bundle)
    (bundle / name).unlink()
    (bundle / name).symlink_to("/dev/zero")
    assert f"{name} is no file of its own but a link" in refused(bundle)


def test_a_file_of_a_size_that_none_has_is_not_read(bundle: Path) -> None:
    with (bundle / "manifest.sha256").open("ab") as file:
        file.truncate(10**9)
    assert "manifest.sha256 has 1,000,000,000 bytes" in refused(bundle)


def test_a_card_that_the_manifest_does_not_list_is_not_shown(bundle: Path, tmp_path: Path) -> None:
    settings = Settings(bundle=bundle, folder=tmp_path)
    assert describe_model(settings, Predictor.load(bundle))["card"].startswith("# ")
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    del manifest["files"]["MODEL_CARD.md"]
    (bundle / "MODEL_CARD.md").unlink()
    (bundle / "MODEL_CARD.md").symlink_to("/etc/passwd")
    reseal(bundle, files=manifest["files"])
    assert describe_model(settings, Predictor.load(bundle))["card"] == ""


def endless(model: onnx.ModelProto) -> None:
    name = model.graph.output[0].name
    inner = [helper.make_tensor_value_info(one, TensorProto.BOOL, []) for one in ("keep", "kept")]
    number = helper.make_tensor_value_info("at", TensorProto.INT64, [])
    body = helper.make_graph([helper.make_node("Identity", ["keep"], ["kept"])], "b", [number, inner[0]], [inner[1]])
    true = numpy_helper.from_array(np.array(True), "true")
    model.graph.initializer.append(true)
    model.graph.node.append(helper.make_node("Loop", ["", "true"], [], body=body))
    assert name


def external(model: onnx.ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")


def hidden(model: onnx.ModelProto) -> None:
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="secret")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))


def foreign(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Gelu", ["x"], ["y"], domain="com.evil"))


def giant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("ConstantOfShape", ["x"], ["y"]))


def functions(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("evil", "Relu", ["x"], ["y"], [], []))


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (endless, r"a graph within a graph"),
        (external, r"weights stand in another file \(external data\)"),
        (hidden, r"weights stand in another file \(external data\)"),
        (foreign, r"operator 'Gelu' of 'com.evil'"),
        (giant, r"operator 'ConstantOfShape'"),
        (functions, r"functions of its own"),
    ],
)
def test_a_graph_holds_what_computes_one_tensor_from_others_and_nothing_else(
    bundle: Path, work: Callable[[onnx.ModelProto], None], said: str
) -> None:
    change(bundle / "head.onnx", work)
    reseal(bundle)
    assert re.search(rf"head\.onnx: it.* {said}", refused(bundle).replace("its weights", "it weights"))


def test_our_own_graphs_are_checked_in_a_few_milliseconds() -> None:
    graphs = [default_bundle() / name for name in GRAPHS.values()]

    def milliseconds() -> float:
        started = time.process_time()
        for graph in graphs:
            check_graph(graph)
        return (time.process_time() - started) * 1000

    assert min(milliseconds() for _ in range(5)) < 30  # reading their weights takes hundreds


def test_damaged_graphs_are_refused_or_left_to_onnx_runtime(tmp_path: Path) -> None:
    whole = (default_bundle() / "head.onnx").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "head.onnx"
    for cut in (0, 1, 7, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(BundleError):
            check_graph(path)
    head = bytearray(whole[:20_000])
    for _ in range(300):
        data = bytearray(head)
        for at in random.integers(0, len(data), 5):
            data[at] = random.integers(0, 256)
        path.write_bytes(data)
        with suppress(BundleError):  # and nothing else
            check_graph(path)


def test_no_operator_of_the_list_takes_graphs_or_gives_something_random() -> None:
    schemas = {one.name: one for one in onnx.defs.get_all_schemas() if one.domain == ""}
    assert set(schemas) >= OPERATORS
    for name in OPERATORS:
        kinds = {attribute.type for attribute in schemas[name].attributes.values()}
        assert not kinds & {onnx.defs.OpSchema.AttrType.GRAPH, onnx.defs.OpSchema.AttrType.GRAPHS}
    assert not OPERATORS & {"If", "Loop", "Scan", "RandomNormal", "ConstantOfShape", "SequenceMap", "StringConcat"}


def test_what_does_not_fit_together_is_told(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    reseal(bundle, labels=["bad", "good"], confusion={})
    assert "head.onnx: answers with 3 numbers, and the manifest names 2 labels" in refused(bundle)
    reseal(bundle, labels=manifest["labels"], head_inputs=manifest["head_inputs"][1:])
    assert "head.onnx: expected the inputs" in refused(bundle)
    reseal(bundle, head_inputs=manifest["head_inputs"])
    shutil.copy(bundle / "head.onnx", bundle / "kept.onnx")
    shutil.copy(bundle / "image.onnx", bundle / "text.onnx")
    reseal(bundle)
    assert "text.onnx: expected the inputs input_ids, attention_mask; found pixels" in refused(bundle)


def test_a_head_of_another_width_is_told(bundle: Path) -> None:
    def wider(model: onnx.ModelProto) -> None:
        [given] = [one for one in model.graph.input if one.name == "text_pooled"]
        given.type.tensor_type.shape.dim[-1].dim_value += 1

    change(bundle / "head.onnx", wider)
    reseal(bundle)
    assert re.search(r"head\.onnx: (its input text_pooled is \d+ wide|ONNX Runtime cannot load it)", refused(bundle))


def test_a_token_that_the_graph_has_no_vector_for_is_told(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = json.loads((bundle / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word: i + (10**6 if word == "day" else 0) for word, i in vocabulary.items()}
    (bundle / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    reseal(bundle)
    assert "text.onnx: ONNX Runtime cannot run it" in refused(bundle)
    with pytest.raises(BundleError):
        Predictor(read_bundle(bundle, tried=True)).predict("what a day")
    assert capfd.readouterr().err == ""


def test_an_encoder_that_gives_no_vectors_is_told(bundle: Path) -> None:
    def one_number(model: onnx.ModelProto) -> None:
        graph = model.graph
        [last] = [node for node in graph.node if "pooled" in node.output]
        last.output[:] = ["before" if name == "pooled" else name for name in last.output]
        graph.node.append(helper.make_node("ReduceMax", ["before"], ["pooled"], keepdims=0))
        [pooled] = [one for one in graph.output if one.name == "pooled"]
        del pooled.type.tensor_type.shape.dim[:]

    change(bundle / "text.onnx", one_number)
    reseal(bundle)
    assert "an encoder graph needs an output `pooled` of known width" in refused(bundle)


def test_a_graph_that_cannot_be_loaded_is_told_once(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = (bundle / "head.onnx").read_bytes()
    (bundle / "head.onnx").write_bytes(graph.replace(b"text_pooled", b"text_poole\xff", 1))
    reseal(bundle)
    with pytest.raises(BundleError, match=r"head\.onnx"):
        Predictor(read_bundle(bundle, tried=True))
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_that_is_no_text_is_told(bundle: Path) -> None:
    (bundle / "tokenizer.json").write_bytes(b"\xff" + (bundle / "tokenizer.json").read_bytes())
    reseal(bundle)
    assert "tokenizer.json is no JSON (not in UTF-8)" in refused(bundle)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0.0, 1e-300])
def test_a_temperature_that_is_no_finite_number_is_refused(bundle: Path, value: float) -> None:
    reseal(bundle, temperature=value)
    assert "manifest.json: temperature: " in refused(bundle)


def test_an_answer_that_is_no_number_is_refused(bundle: Path) -> None:
    def poisoned(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype == np.float32 and values.ndim:
                tensor.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), tensor.name))

    change(bundle / "head.onnx", poisoned)
    reseal(bundle)
    assert "no finite numbers" in refused(bundle)


def tokenizer_with(**changes: Any) -> str:
    return json.dumps(json.loads((default_bundle() / "tokenizer.json").read_text("utf-8")) | changes)


def test_a_tokenizer_that_takes_long_is_refused() -> None:
    started = time.perf_counter()
    double = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    nothing = {"type": "Replace", "pattern": {"Regex": ""}, "content": "b" * 300}
    for normalizer in ({"type": "Sequence", "normalizers": [double] * 40}, nothing):
        with pytest.raises(BundleError, match="times as long; 256 is the most"):
            load_tokenizer(tokenizer_with(normalizer=normalizer), max_tokens=128)
    token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    added = [token | {"id": 40_000 + i, "content": f"added{i}"} for i in range(50_000)]
    with pytest.raises(BundleError, match=r"50,\d+ objects \(added tokens\)"):
        load_tokenizer(tokenizer_with(added_tokens=added), max_tokens=128)
    with pytest.raises(BundleError, match="cannot be read or used"):
        load_tokenizer("{}", max_tokens=128)
    assert time.perf_counter() - started < 5
    usual = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]}
    assert load_tokenizer(tokenizer_with(normalizer=usual), max_tokens=128).encode("a" * MAX_CHARS).ids


def test_a_lexicon_is_of_a_package_that_is_known(bundle: Path) -> None:
    text = json.loads((bundle / "manifest.json").read_text("utf-8"))["text"]
    view = {"encoder": "vader", "kind": "lexicon", "text": text, "package": "evil --index-url http://evil"}
    reseal(bundle, views={"text": [view]})
    said = refused(bundle)
    assert "package" in said
    assert "evil" not in said.replace(str(bundle), "")
    assert read_bundle(default_bundle()).manifest.labels
