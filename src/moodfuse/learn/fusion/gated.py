"""Gated fusion: one modality decides how much of the other modality passes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, choose, fusion, share, whole_number


@fusion
class Gated(Fusion):
    """logits = W (sigma(U a) * V b), `width` wide: the gate, computed from a, scales each feature of b.

    `gate` names a: `image` (the image gates the text) or `text`. `kind=gmu` is the gated multimodal unit instead:
    h = z tanh(W_a a) + (1 - z) tanh(V b) with z = sigma(Z [a; b]), logits = W h.
    Sources: Kiela et al., 2018, "Efficient large-scale multi-modal classification" (kind=gate);
    Arevalo et al., 2017, "Gated multimodal units for information fusion" (kind=gmu).
    """

    name = "gated"
    family = "gate"
    source = "Kiela et al. 2018; Arevalo et al. 2017 (kind=gmu)"
    interacts = True

    def __init__(
        self, shapes: Shapes, *, gate: str = "image", kind: str = "gate", width: int = 512, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.gate_with_image = choose("gate", gate, ("image", "text")) == "image"
        self.gmu = choose("kind", kind, ("gate", "gmu")) == "gmu"
        width = whole_number("width", width, least=1)
        a, b = (shapes.image, shapes.text) if self.gate_with_image else (shapes.text, shapes.image)
        self.u = nn.Linear(a, width)
        self.v = nn.Linear(b, width)
        self.z = nn.Linear(a + b, width) if self.gmu else None
        self.dropout = nn.Dropout(share("dropout", dropout))
        self.classify = nn.Linear(width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        a, b = (image.pooled, text.pooled) if self.gate_with_image else (text.pooled, image.pooled)
        if self.z is not None:
            z = torch.sigmoid(self.z(torch.cat([a, b], dim=-1)))  # (B, width)
            hidden = z * torch.tanh(self.u(a)) + (1 - z) * torch.tanh(self.v(b))
        else:
            hidden = torch.sigmoid(self.u(a)) * self.v(b)  # (B, width)
        logits: Tensor = self.classify(self.dropout(hidden))  # (B, classes)
        return logits
