"""Tensor fusion with a low-rank weight tensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, share, whole_number


@fusion
class LowRank(Fusion):
    """logits = sum over r of (A_r [a; 1]) * (B_r [b; 1]) + c, a = relu(U text), b = relu(V image), `width` wide.

    Tensor fusion (Zadeh et al., 2017) has weights for the outer product [a; 1] x [b; 1]; here these weights are
    factored into `rank` pairs of (classes, width + 1) matrices. The 1 lets each modality also pass alone.
    Source: Liu et al., 2018, "Efficient low-rank multimodal fusion with modality-specific factors" (LMF).
    """

    name = "lowrank"
    family = "tensor"
    source = "Liu et al. 2018 (LMF)"
    interacts = True

    def __init__(self, shapes: Shapes, *, width: int = 128, rank: int = 4, dropout: float = 0.3) -> None:
        super().__init__()
        width, drop = whole_number("width", width, least=1), share("dropout", dropout)
        self.rank = whole_number("rank", rank, least=1)
        self.text = nn.Sequential(nn.Linear(shapes.text, width), nn.ReLU(), nn.Dropout(drop))
        self.image = nn.Sequential(nn.Linear(shapes.image, width), nn.ReLU(), nn.Dropout(drop))
        self.text_factors = nn.Linear(width, self.rank * shapes.classes)  # its bias is the column of the 1
        self.image_factors = nn.Linear(width, self.rank * shapes.classes)
        self.bias = nn.Parameter(torch.zeros(shapes.classes))

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        a = self.text_factors(self.text(text.pooled)).unflatten(-1, (self.rank, -1))  # (B, rank, classes)
        b = self.image_factors(self.image(image.pooled)).unflatten(-1, (self.rank, -1))
        logits: Tensor = (a * b).sum(1) + self.bias  # (B, classes)
        return logits
