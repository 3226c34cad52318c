"""Pictures of fusions: what a shape says is so."""

import re

import pytest

from moodfuse.learn.diagram import draw_fusion
from moodfuse.learn.fusion import fusions


@pytest.mark.parametrize("name", sorted(fusions()))
def test_only_the_first_size_of_a_shape_is_the_batch(name: str) -> None:
    drawing = draw_fusion(name)
    shapes = [*drawing.reads.values(), *(step.shape for step in drawing.steps)]
    assert all(re.fullmatch(r"\(B(, [^B]+)+\)", shape) for shape in shapes), shapes


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
