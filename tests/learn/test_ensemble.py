"""An ensemble: several models over branches of one text encoder, whose answers are averaged."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from moodfuse.config import DataConfig
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError
from moodfuse.labels import Labels
from moodfuse.learn.assembly import build_model, check_model, make_parts, open_modalities
from moodfuse.learn.batches import LengthBatches, loader
from moodfuse.learn.encoders import BranchedSource, TextSource, find_encoder
from moodfuse.learn.export import encoder_graph
from moodfuse.learn.fit.fit import fit
from moodfuse.learn.fit.optimisation import freeze, layers
from moodfuse.learn.model import Ensemble
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.graphs import open_session
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.training import train

END_TO_END = {"regime": "end_to_end", "tune": ["text"], "epochs": 1, "batch_size": 16, "monitor": "none", "patience": 0}


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:60]


def settings(tiny_bert: Path, **more: object) -> dict[str, object]:
    return {"train": END_TO_END, "model": {"text": str(tiny_bert), "ensemble": 2, "auxiliary": 0.3}} | more


def branches(tiny_bert: Path) -> BranchedSource:
    base = find_encoder(str(tiny_bert), "text", DataConfig())
    assert isinstance(base, TextSource)
    return BranchedSource(base, 2)


@pytest.mark.parametrize("fusion", ["concat", "cross_attention", "text"])
def test_its_answer_is_the_mean_of_its_models_answers(posts: Posts, tiny_bert: Path, fusion: str) -> None:
    config = resolve_config(fusion, overrides=[settings(tiny_bert)])
    modalities = open_modalities(posts, config)
    part, rest, prior = make_parts([0, 1, 2] * 20, modalities, range(48), range(48, 60), classes=3)
    model = build_model(config, modalities, prior)
    assert isinstance(model, Ensemble)
    fit(model, part, rest, config, Labels(config.labels), None)
    [batch] = loader(rest, LengthBatches(12, 12))
    with torch.no_grad():
        output = model(batch)
    each = [torch.softmax(member.logits, -1) for member in output.members]
    assert len(each) == 2
    assert not torch.allclose(each[0], each[1], atol=1e-4)
    torch.testing.assert_close(torch.softmax(output.logits, -1), (each[0] + each[1]) / 2)


def test_what_stays_frozen_stays_alike_and_the_rest_grows_apart(posts: Posts, tiny_bert: Path) -> None:
    config = resolve_config("concat", overrides=[settings(tiny_bert), {"train": {"freeze": 2}}])
    modalities = open_modalities(posts, config)
    part, rest, prior = make_parts([0, 1, 2] * 20, modalities, range(48), range(48, 60), classes=3)
    model = build_model(config, modalities, prior)
    fit(model, part, rest, config, Labels(config.labels), None)
    first, second = (layers(branch) for branch in model.encoders["text"].encoders)
    same = [all(torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in zip(first, second, strict=True)]
    assert same[:2] == [True, True]
    assert not any(same[2:3])


def test_a_graph_holds_and_computes_once_what_branches_share(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = branches(tiny_bert).load()
    freeze(encoder, 2)
    apart = [parameter for branch in encoder.encoders for parameter in branch.parameters() if parameter.requires_grad]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in apart:
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    encoder_graph(encoder, tmp_path / "two.onnx")
    encoder_graph(encoder.encoders[0], tmp_path / "one.onnx")  # type: ignore[arg-type]
    one, two = (onnx.load(tmp_path / f"{name}.onnx").graph for name in ("one", "two"))
    stored = [sum(np.prod(tensor.dims) for tensor in graph.initializer) for graph in (one, two)]
    trained = sum(parameter.numel() for parameter in apart) / 2
    assert stored[1] <= 1.02 * (stored[0] + trained)
    products = [sum(node.op_type == "MatMul" for node in graph.node) for graph in (one, two)]
    assert products[0] < products[1] < 2 * products[0]
    ids, mask = encoder.example
    found = open_session(tmp_path / "two.onnx").run(
        ["pooled"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    )
    with torch.no_grad():
        np.testing.assert_allclose(found[0], encoder(ids, mask).pooled.numpy(), atol=1e-5)


def test_its_bundle_answers_as_it_does_a_post_at_a_time(
    synthetic_folder: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    posts = read_posts(synthetic_folder)
    config = resolve_config("cma", overrides=[settings(tiny_bert), {"export": {"text": "int8", "head": "int8"}}])
    run = train(posts, config, name="two", runs=tmp_path)
    assert run.bundle.manifest.parity["fp32_probability"] <= 1e-4
    predictor = Predictor(run.bundle)
    together = list(predictor.stream(posts[:8]))
    for post, one in zip(posts[:8], together, strict=True):
        [alone] = predictor.stream([post])
        assert alone.probabilities == pytest.approx(one.probabilities, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"train": {"regime": "frozen"}}, {"train": {"tune": ["image"]}}, {"model": {"fusion": "image"}}],
)
def test_it_needs_a_text_encoder_that_trains(tiny_bert: Path, changes: dict[str, object]) -> None:
    fusion = "image" if "model" in changes else "concat"
    config = resolve_config(fusion, overrides=[settings(tiny_bert), changes])
    with pytest.raises(ConfigError, match=r"model\.ensemble=2: expected a text encoder that trains"):
        check_model(config)
