"""Concatenation of the pooled vectors, or of features learned from each vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, share, whole_number


@fusion
class Concat(Fusion):
    """logits = W [text; image]: both pooled vectors, concatenated, through one linear layer.

    `project` first maps each modality linearly to that width, with `dropout` after it (512 and 0.3 in two of the
    course reports; 0 leaves the vectors as they are). There is no nonlinearity, so the modalities never interact.
    """

    name = "concat"
    family = "concatenation"
    source = "two of the five course reports"
    interacts = False

    def __init__(self, shapes: Shapes, *, project: int = 0, dropout: float = 0.3) -> None:
        super().__init__()
        width = whole_number("project", project, least=0)
        rate = share("dropout", dropout)
        self.text: nn.Module = nn.Identity()
        self.image: nn.Module = nn.Identity()
        if width:
            self.text = nn.Sequential(nn.Linear(shapes.text, width), nn.Dropout(rate))
            self.image = nn.Sequential(nn.Linear(shapes.image, width), nn.Dropout(rate))
        self.classify = nn.Linear(2 * width or shapes.text + shapes.image, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        joined = torch.cat([self.text(text.pooled), self.image(image.pooled)], dim=-1)  # (B, D_text + D_image)
        logits: Tensor = self.classify(joined)  # (B, classes)
        return logits


@fusion
class Late(Fusion):
    """logits = W relu(V [P_t text; P_i image]): both vectors mapped to `width`, joined, mixed in one hidden layer.

    All layers are `width` wide, with `dropout` before the last layer. The report calls this late fusion, although it
    fuses features; see `decision` for late fusion in the usual sense.
    Source: one of the five course reports.
    """

    name = "late"
    family = "concatenation"
    source = "one of the five course reports"
    interacts = True

    def __init__(self, shapes: Shapes, *, width: int = 512, dropout: float = 0.3) -> None:
        super().__init__()
        width = whole_number("width", width, least=1)
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Linear(shapes.image, width)
        self.classify = nn.Sequential(
            nn.Linear(2 * width, width),
            nn.ReLU(),
            nn.Dropout(share("dropout", dropout)),
            nn.Linear(width, shapes.classes),
        )

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        joined = torch.cat([self.text(text.pooled), self.image(image.pooled)], -1)  # (B, 2 width)
        logits: Tensor = self.classify(joined)  # (B, classes)
        return logits
