"""An image encoder of another package: how much of a picture is how red, how green and how blue.

Its package names it in `pyproject.toml`, and `model.image=colour-histogram` finds it:

    [project.entry-points."moodfuse.encoders"]
    colour-histogram = "my_encoder:ColourHistogram"
"""

from __future__ import annotations

import torch
from torch import Tensor

from moodfuse.data.images import ImageSpec
from moodfuse.learn.encoders import PIXEL_INPUTS, Encoded, Encoder, ImageSource, all_visible, encoder, regions

BINS, SIDE = 8, 64


class ColourShares(Encoder):
    """The share of an image that lies near each of 8 levels of each colour (Swain and Ballard, 1991)."""

    inputs = PIXEL_INPUTS
    example = (torch.rand(2, 3, SIDE, SIDE),)
    dim = 3 * BINS

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.linspace(0, 1, BINS).view(BINS, 1, 1))

    def forward(self, pixels: Tensor) -> Encoded:
        """Encode `pixels` (B, 3, S, S) in 0..1."""
        steps = (pixels.unsqueeze(2) - self.levels).abs() * (BINS - 1)  # (B, 3, 8, S, S)
        near = (1 - steps).clamp(min=0).flatten(1, 2)  # (B, 24, S, S): 1 at a level, 0 from the next one on
        tokens = regions(near)  # (B, 9, 24)
        return Encoded(near.mean((2, 3)), tokens, all_visible(tokens))


@encoder
class ColourHistogram(ImageSource):
    """Nothing to download and nothing to train: what the encoder is, this file says."""

    name = "colour-histogram"
    summary = "shares of red, green and blue: 24 wide, no weights"
    dim = 3 * BINS
    trainable = False
    spec = ImageSpec(size=SIDE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    def load(self) -> ColourShares:
        return ColourShares().eval()
