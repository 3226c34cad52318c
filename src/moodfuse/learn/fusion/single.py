"""A single modality: the ablations that every comparison holds."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from moodfuse.config import Modality
from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion


@fusion
class TextOnly(Fusion):
    """logits = W text: the text's pooled vector (B, D) through one linear layer."""

    name = "text"
    family = "single modality"
    source = "ablation of all five course reports"
    modalities: ClassVar[tuple[Modality, ...]] = ("text",)
    interacts = False

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.classify = nn.Linear(shapes.text, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        logits: Tensor = self.classify(text.pooled)  # (B, classes)
        return logits

    def lone_classifier(self) -> nn.Linear:
        return self.classify


@fusion
class ImageOnly(Fusion):
    """logits = W image: the image's pooled vector (B, D) through one linear layer."""

    name = "image"
    family = "single modality"
    source = "ablation of all five course reports"
    modalities: ClassVar[tuple[Modality, ...]] = ("image",)
    interacts = False

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.classify = nn.Linear(shapes.image, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert image is not None
        logits: Tensor = self.classify(image.pooled)  # (B, classes)
        return logits

    def lone_classifier(self) -> nn.Linear:
        return self.classify
