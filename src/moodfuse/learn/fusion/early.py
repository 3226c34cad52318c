"""Early fusion: the text joins the image as a channel, before any layer reads the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, whole_number


@fusion
class Early(Fusion):
    """logits = W mean(relu(conv(relu(conv([image; enlarge(P text)]))))): the text is a fourth channel of the picture.

    image (B, 3, S, S) are pixels. P maps the text's pooled vector (B, D) to `side` x `side` values, which are enlarged
    to S x S; the report projects to S x S directly, which takes 19 million weights. The first convolution has
    `channels` output channels, the second twice as many; the mean is over the picture.
    Source: one of the five course reports.
    """

    name = "early"
    family = "early"
    source = "one of the five course reports"
    consumes = "pixels"
    interacts = True

    def __init__(self, shapes: Shapes, *, side: int = 14, channels: int = 32) -> None:
        super().__init__()
        self.side = whole_number("side", side, least=1)
        channels = whole_number("channels", channels, least=1)
        self.text = nn.Linear(shapes.text, self.side**2)
        self.look = nn.Sequential(
            nn.Conv2d(4, channels, 5, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.classify = nn.Linear(2 * channels, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        if image.pixels is None:
            raise ValueError("a fusion that consumes pixels was given none")
        written = self.text(text.pooled).view(-1, 1, self.side, self.side)  # (B, 1, side, side)
        size = image.pixels.shape[-2:]
        fourth = F.interpolate(written, size=size, mode="bilinear", align_corners=False)  # (B, 1, S, S)
        seen = self.look(torch.cat([image.pixels, fourth], 1))  # (B, 2 channels, S / 8, S / 8)
        logits: Tensor = self.classify(seen.mean((2, 3)))  # (B, classes)
        return logits
