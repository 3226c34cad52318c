"""A fusion of another package: feature-wise linear modulation, in which the image says how the text is read.

It is one class. Put it in a package whose pyproject.toml says

    [project.entry-points."moodfuse.fusions"]
    film = "my_fusion:Film"

and `moodfuse fusions` lists it, `moodfuse fusions film` draws it, and `train`, `compare` and `search` take it by name.
Within a checkout of moodfuse, `pytest tests/contracts/test_fusions.py -k film` checks what is asked of every fusion.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders import Encoded
from moodfuse.learn.fusion import Fusion, Shapes, fusion
from moodfuse.learn.fusion.base import share, whole_number


@fusion
class Film(Fusion):
    """logits = W relu((1 + S image) * V text + T image), `width` wide: the image scales and shifts what is read.

    Each feature of the text is scaled by 1 + S image and shifted by T image; `dropout` stands before the last layer.
    Source: Perez et al., 2018, "FiLM: visual reasoning with a general conditioning layer", the roles exchanged.
    """

    name = "film"
    family = "modulation"
    source = "Perez et al. 2018"
    interacts = True

    def __init__(self, shapes: Shapes, *, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        width = whole_number("width", width, least=1)
        self.read = nn.Linear(shapes.text, width)
        self.scale = nn.Linear(shapes.image, width)
        self.shift = nn.Linear(shapes.image, width)
        self.dropout = nn.Dropout(share("dropout", dropout))
        self.classify = nn.Linear(width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        scale, shift = 1 + self.scale(image.pooled), self.shift(image.pooled)  # (B, width) each
        hidden = torch.relu(scale * self.read(text.pooled) + shift)  # (B, width)
        logits: Tensor = self.classify(self.dropout(hidden))  # (B, classes)
        return logits
