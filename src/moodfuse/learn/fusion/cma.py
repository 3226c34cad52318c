"""Cross-modal attention over features: one set of weights scales both modalities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, share, whole_number


@fusion
class FeatureAttention(Fusion):
    """logits = W_3 relu(W_2 [w * a; w * b]), w = width softmax(W_1 [a; b]): both modalities' features, re-weighted.

    a = dropout(relu(W_a text)) and b = dropout(relu(W_b image)) are `width` wide. w (B, width) has mean 1: if it summed
    to 1, as in the report, it would shrink every feature `width`-fold.
    Source: one of the five course reports (there all texts of a batch were joined into one string, whose token i met
    image i of the batch).
    """

    name = "cma"
    family = "gate"
    source = "one of the five course reports"
    interacts = True

    def __init__(self, shapes: Shapes, *, width: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        width, rate = whole_number("width", width, least=1), share("dropout", dropout)
        self.text = nn.Sequential(nn.Linear(shapes.text, width), nn.ReLU(), nn.Dropout(rate))
        self.image = nn.Sequential(nn.Linear(shapes.image, width), nn.ReLU(), nn.Dropout(rate))
        self.weigh = nn.Linear(2 * width, width)
        self.classify = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, shapes.classes))

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        a, b = self.text(text.pooled), self.image(image.pooled)  # (B, width) each
        weights = a.shape[-1] * torch.softmax(self.weigh(torch.cat([a, b], -1)), -1)  # (B, width)
        logits: Tensor = self.classify(torch.cat([weights * a, weights * b], -1))  # (B, classes)
        return logits
