"""Every fusion of the registry, small, and batches to feed it: what the contract suite loops over."""

import pytest
import torch

from moodfuse.learn.encoders import Encoded
from moodfuse.learn.fusion import Fusion, Shapes, build_fusion, fusion_options, fusions
from moodfuse.learn.model import Batch, Branch, FusionModel

SHAPES = Shapes(text=24, image=40, classes=3)
BRANCHES = {"text": Branch(SHAPES.text), "image": Branch(SHAPES.image)}
TOKENS, REGIONS, SIDE = 7, 9, 16
WIDEST = 64  # hidden widths are cut to this, which tiny inputs do not miss

every = pytest.mark.parametrize("name", sorted(fusions()))


def small(name: str, shapes: Shapes = SHAPES) -> Fusion:
    """Build a fusion with its defaults, but no wider than `WIDEST`."""

    def cut(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(cut(one) for one in value)
        return min(value, WIDEST) if type(value) is int else value

    return build_fusion(name, shapes, {option: cut(value) for option, value in fusion_options(fusions()[name]).items()})


def make_model(name: str, **options: object) -> FusionModel:
    torch.manual_seed(0)
    return FusionModel(
        small(name),
        BRANCHES,
        [0.2, 0.3, 0.5],
        **options,  # type: ignore[arg-type]
    ).eval()


def make_batch(size: int, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)

    def encoded(length: int, width: int) -> Encoded:
        tokens = torch.randn(size, length, width, generator=random)
        pixels = torch.randn(size, 3, SIDE, SIDE, generator=random)
        return Encoded(tokens.mean(1), tokens, torch.ones(size, length, dtype=torch.bool), pixels)

    there = torch.ones(size, dtype=torch.bool)
    targets = torch.arange(size) % SHAPES.classes
    return Batch(encoded(TOKENS, SHAPES.text), encoded(REGIONS, SHAPES.image), there, there.clone(), targets)


def take(batch: Batch, rows: list[int]) -> Batch:
    def pick(encoded: Encoded) -> Encoded:
        return encoded.map(lambda tensor: tensor[rows])

    return Batch(
        pick(batch.text), pick(batch.image), batch.text_present[rows], batch.image_present[rows], batch.targets[rows]
    )


def without(batch: Batch, *modalities: str) -> Batch:
    absent = torch.zeros_like(batch.text_present)
    return Batch(
        batch.text,
        batch.image,
        absent if "text" in modalities else batch.text_present,
        absent if "image" in modalities else batch.image_present,
        batch.targets,
    )


def logits(model: FusionModel, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model(batch).logits
