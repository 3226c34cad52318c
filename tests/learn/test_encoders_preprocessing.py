"""Image preprocessing read from a processor's settings equals the processor, or is refused."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.images import look, pixels
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.preprocessing import read_image_spec

#: As files of the Hub have them, old and new spellings.
PROCESSORS: dict[str, dict[str, Any]] = {
    "resnet-50": {"crop_pct": 0.875, "feature_extractor_type": "ConvNextFeatureExtractor", "resample": 3, "size": 224},
    "convnext": {"crop_pct": 0.95, "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}},
    "convnext-384": {"crop_pct": 0.95, "image_processor_type": "ConvNextImageProcessor", "size": 384},
    "vit": {"feature_extractor_type": "ViTFeatureExtractor", "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
            "resample": 2, "size": 224},
    "vit-fast": {"image_processor_type": "ViTImageProcessorFast", "size": {"height": 96, "width": 96}},
    "clip": {"crop_size": 224, "do_center_crop": True, "feature_extractor_type": "CLIPFeatureExtractor",
             "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
             "resample": 3, "size": 224},
    "dinov2": {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256},
               "crop_size": {"height": 224, "width": 224}, "resample": 3},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": {"height": 64, "width": 64}, "resample": 3},
    "raw": {"image_processor_type": "ViTImageProcessor", "size": 33, "do_rescale": False, "do_normalize": False},
    "squashed, then cut": {"image_processor_type": "CLIPImageProcessor", "size": {"height": 80, "width": 80},
                           "crop_size": 64, "resample": 1},
}  # fmt: skip

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no square": (
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 64}},
        "32 x 64, expected a square",
    ),
    "no cut": (
        {"image_processor_type": "CLIPImageProcessor", "size": 224, "do_center_crop": False},
        "keep different shapes",
    ),
    "no resize": ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "resizes nothing"),
    "a cut larger than the picture": (
        {"image_processor_type": "CLIPImageProcessor", "size": 32, "crop_size": 64},
        "moodfuse cannot do its image preprocessing",
    ),
    "an odd filter": ({"image_processor_type": "ViTImageProcessor", "resample": 4}, "interpolation 4 is none of"),
    "a standard deviation of 0": (
        {"image_processor_type": "ViTImageProcessor", "image_std": [0, 1, 1]},
        "standard deviation must not be 0",
    ),
    "more than we can do": (
        {"image_processor_type": "ChineseCLIPImageProcessor", "size": {"height": 30, "width": 40}},
        "expected a square|cannot",
    ),
    "an unknown processor": ({"image_processor_type": "NoSuchProcessor"}, "its image processor cannot be built"),
}


def _folder(folder: Path, settings: dict[str, Any]) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_equal_the_processors(name: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path, PROCESSORS[name])
    spec = read_image_spec(folder, name)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    random = np.random.default_rng(5)
    for height, width in ((600, 400), (399, 601), (50, 333), (17, 17), (256, 256)):
        image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        expected = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
        np.testing.assert_allclose(pixels(image, spec, exact=True), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet-50", "vit", "clip"])
def test_pixels_of_real_pictures_equal_the_processors(name: str, tmp_path: Path, posts_folder: Path) -> None:
    folder = _folder(tmp_path, PROCESSORS[name])
    spec = read_image_spec(folder, name)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    for post in islice(read_posts(posts_folder), 5):
        assert post.image is not None
        image = look(post.image).image
        assert image is not None
        expected = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
        np.testing.assert_allclose(pixels(image, spec, exact=True), expected, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_alike_is_refused(name: str, tmp_path: Path) -> None:
    settings, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message):
        read_image_spec(_folder(tmp_path, settings), name)


def test_a_processor_that_does_something_of_its_own_is_found_out(tmp_path: Path) -> None:
    # MobileViT's puts blue first: nothing that the translation reads shows it
    settings = {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 72},
                "crop_size": {"height": 64, "width": 64}}  # fmt: skip
    with pytest.raises(ConfigError, match="does what moodfuse's preprocessing cannot"):
        read_image_spec(_folder(tmp_path, settings), "mobilevit")


def test_settings_nested_in_a_processor_are_found(tmp_path: Path) -> None:
    settings = {"image_processor": PROCESSORS["siglip"], "processor_class": "SiglipProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(settings))
    assert read_image_spec(tmp_path, "siglip").size == 64
