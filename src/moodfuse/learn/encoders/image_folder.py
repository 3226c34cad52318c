"""Image encoders in a folder: any Hugging Face vision model, and the vision towers of CLIP and SigLIP."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moodfuse.data.images import ImageSpec
from moodfuse.errors import ConfigError, in_a_line
from moodfuse.learn.encoders.base import PIXEL_INPUTS, Encoded, Encoder
from moodfuse.learn.encoders.folder import ModelFolder
from moodfuse.learn.encoders.image import ImageSource, all_visible, regions
from moodfuse.learn.encoders.preprocessing import read_image_spec


class HuggingFaceImage(Encoder):
    """A vision model; `tokens` are 3 x 3 regions of its feature map or of its square of patches.

    `pooled` is the model's own vector of an image: for a CNN the mean of the map (for ConvNeXt normalised, as its
    classifier reads it); for a ViT the class token or, without a class token, its pooled output or the mean of the
    patches; for a tower the embedding that the model compares with texts. A tower's patches go through the same
    projection.
    """

    inputs = PIXEL_INPUTS

    def __init__(self, model: Any, *, size: int) -> None:
        super().__init__()
        self.model = model
        self.tower = hasattr(model, "get_image_features")
        self.example = (torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)),)
        with torch.no_grad():
            hidden: Tensor = self._run(self.example[0]).last_hidden_state
            self.lead, self.has_class_token = (0, False) if hidden.ndim == 4 else self._layout(hidden.shape[1], size)
            encoded = self(*self.example)
            if not torch.equal(encoded.pooled, self(*self.example).pooled):  # a masked autoencoder drops patches
                raise ValueError("it gives another answer each time")
        self.dim = encoded.pooled.shape[-1]
        if encoded.tokens.shape[-1] != self.dim:
            raise ValueError(f"patches are {encoded.tokens.shape[-1]} wide, images {self.dim}: expected one width")

    def forward(self, pixels: Tensor) -> Encoded:
        """Encode `pixels` (B, 3, H, W), prepared as the source's spec says."""
        output = self._run(pixels)
        hidden = output.last_hidden_state  # (B, D, h, w) of a CNN, (B, lead + P, D) of a ViT
        pooled = getattr(output, "pooler_output", None)  # (B, D), (B, D, 1, 1) or nothing
        if hidden.ndim == 4:
            pooled = hidden.mean((2, 3)) if pooled is None else pooled.flatten(1)  # (B, D)
            tokens = regions(hidden)  # (B, 9, D)
        else:
            tokens = self._patches(hidden)  # (B, 9, D)
            if self.has_class_token and not self.tower:
                pooled = hidden[:, 0]  # (B, D)
            elif pooled is None:
                pooled = hidden[:, self.lead :].mean(1)  # (B, D)
        return Encoded(pooled, tokens, all_visible(tokens))

    def _run(self, pixels: Tensor) -> Any:
        return self.model.get_image_features(pixels) if self.tower else self.model(pixels)

    def _patches(self, hidden: Tensor) -> Tensor:
        patches = hidden[:, self.lead :]  # (B, P, D)
        if (projection := getattr(self.model, "visual_projection", None)) is not None:
            patches = projection(self.model.vision_model.post_layernorm(patches))
        side = math.isqrt(patches.shape[1])
        if side**2 != patches.shape[1]:
            return patches
        return regions(patches.transpose(1, 2).reshape(-1, patches.shape[2], side, side))  # (B, 9, D)

    def _layout(self, length: int, size: int) -> tuple[int, bool]:
        """Return how many tokens come before the patches, and whether the first is a class token."""
        config = getattr(self.model.config, "vision_config", self.model.config)
        patch = getattr(config, "patch_size", None)
        if isinstance(patch, int) and (lead := length - (size // patch) ** 2) >= 0:
            return lead, lead > getattr(config, "num_register_tokens", 0)
        return 0, False  # a model that merges patches between layers, as Swin, has no class token


class ImageFolder(ImageSource):
    """A Hugging Face vision model in a folder: `config.json`, safetensors, `preprocessor_config.json`.

    Raises `ConfigError` if a file is missing or the model encodes no images.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        self.name = name
        self._model = ModelFolder(folder, name=name, modality="image")
        self.summary = f"{self._model.config.model_type} from {folder}"
        self._spec = read_image_spec(folder, name)

    @property
    def spec(self) -> ImageSpec:
        return self._spec

    @property
    def weights(self) -> tuple[Path, ...]:
        return self._model.weights

    def load(self) -> HuggingFaceImage:
        model = self._model.load()
        try:
            return HuggingFaceImage(model, size=self._spec.size).eval()
        except (ValueError, RuntimeError, AttributeError, TypeError) as error:  # as models report a wrong size
            raise ConfigError(
                f"{self.name}: cannot encode images of {self._spec.size} x {self._spec.size} pixels, as its image "
                f"processor makes them ({in_a_line(error)})"
            ) from None

    def identity(self) -> tuple[str | int | None, ...]:
        return (*super().identity(), json.dumps(self._model.settings, sort_keys=True))
