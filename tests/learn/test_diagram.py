"""Pictures of fusions: what a shape says is so."""

import re

import pytest

from moodfuse.learn.diagram import draw_fusion
from moodfuse.learn.fusion import fusions
from moodfuse.learn.recipes import resolve_config
from moodfuse.records.configuration import StoredConfig
from moodfuse.report.picture import drawn_encoders


@pytest.mark.parametrize("name", sorted(fusions()))
def test_only_the_first_size_of_a_shape_is_the_batch(name: str) -> None:
    drawing = draw_fusion(name)
    shapes = [*drawing.reads.values(), *(step.shape for step in drawing.steps)]
    assert all(re.fullmatch(r"\(B(, [^B]+)+\)", shape) for shape in shapes), shapes


def test_the_picture_of_a_model_shows_its_encoders() -> None:
    tuned = {"train": {"regime": "end_to_end", "tune": ["text"], "freeze": 2, "lora": 4}}
    config = StoredConfig.from_config(resolve_config("gated", overrides=[tuned]))
    drawing = draw_fusion("gated", encoders=drawn_encoders(config, {"text": 384, "image": 2048}))
    svg = drawing.to_svg()
    assert ">minilm<" in svg
    assert ">tuned by updates of rank 4 above its lowest 2 parts; vectors of 384<" in svg
    assert ">efficientnet-lite0<" in svg
    assert ">frozen; vectors of 2048<" in svg
    assert drawing.reads["image"] == "(B, 2048)"
    assert "image  efficientnet-lite0: frozen; vectors of 2048" in drawing.to_text()
    staged = StoredConfig.from_config(resolve_config(overrides=[{"train": {"regime": "two_stage"}}]))
    assert drawn_encoders(staged, {"text": 384})["text"].trains == "all layers tuned alone, then frozen"
    assert "minilm" not in draw_fusion("gated").to_svg()


@pytest.mark.parametrize(
    ("name", "step", "shape"),
    [
        ("mha", "attention.attend", "(B, 2, 1000)"),
        ("transformer", "layers.0.norms.0", "(B, 2, 1000)"),
        ("residual_attention", "attention.attend", "(B, 2, 128)"),
        ("single_stream", "layers.0.norms.0", "(B, T+R+1, 256)"),
        ("bottleneck", "image_layers.0.norms.0", "(B, R+5, 128)"),
        ("cross_attention", "block.norms.0", "(B, T, 128)"),
    ],
)
def test_sizes_are_called_what_they_are(name: str, step: str, shape: str) -> None:
    assert {one.name: one.shape for one in draw_fusion(name).steps}[step] == shape
