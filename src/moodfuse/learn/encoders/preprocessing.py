"""Translation of a Hugging Face image processor to an `ImageSpec`: exactly, or refused with an error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from moodfuse.data.images import ImageSpec, pixels
from moodfuse.errors import ConfigError, in_a_line

_FILES = ("preprocessor_config.json", "processor_config.json")
_INTERPOLATIONS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_WARPED_FROM = 384  # pixels from which a processor with `crop_pct` squashes instead of cutting out


def read_image_spec(folder: Path, name: str) -> ImageSpec:
    """Return the preprocessing that a model's image processor does.

    The processor and `pixels`, exact, are then run on the same pictures: a processor that does more than an
    `ImageSpec` can express is refused. Raises `ConfigError` for such a processor, and if the folder of `name` holds
    no processor.
    """
    processor = _load_processor(folder, name)
    try:
        spec = _to_spec(processor.to_dict())
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else in_a_line(error)
        raise ConfigError(f"{name}: moodfuse cannot do its image preprocessing ({reason})") from None
    _check(spec, processor, name)
    return spec


def _load_processor(folder: Path, name: str) -> Any:
    from transformers import AutoImageProcessor
    from transformers.utils import logging

    if not any((folder / file).is_file() for file in _FILES):
        raise ConfigError(
            f"{name}: no {_FILES[0]}; it says how the model's images are resized and normalised "
            "(save it with AutoImageProcessor.from_pretrained(...).save_pretrained(folder))"
        )
    logging.set_verbosity_error()
    try:
        return AutoImageProcessor.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, backend="pil"
        )
    except Exception as error:  # bad settings raise errors of any class
        raise ConfigError(f"{name}: its image processor cannot be built ({in_a_line(error)})") from None


def _to_spec(settings: Mapping[str, Any]) -> ImageSpec:
    """Translate a processor's settings. Raises `ValueError` for settings that have no translation."""
    if not settings.get("do_resize"):
        raise ValueError("it resizes nothing, so that images come in different sizes")
    resize, edge, size = _geometry(settings)
    mean, std = _normalisation(settings)
    resample = settings.get("resample", 2)
    if resample not in _INTERPOLATIONS:
        raise ValueError(f"interpolation {resample} is none of {', '.join(_INTERPOLATIONS.values())}")
    return ImageSpec.model_validate(
        {
            "size": size,
            "resize": resize,
            "interpolation": _INTERPOLATIONS[resample],
            "crop": size / edge,
            "scale": settings["rescale_factor"] if settings.get("do_rescale") else 1.0,
            "mean": mean,
            "std": std,
        }
    )


def _normalisation(settings: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what is taken from the scaled channels, and what they are then divided by.

    EfficientNet's processor takes 1 away first with `rescale_offset`, and divides once more with `include_top`.
    """
    normalise = settings.get("do_normalize")
    offset = 1.0 if settings.get("do_rescale") and settings.get("rescale_offset") else 0.0
    again = _channels(settings["image_std"] if settings.get("include_top") else 1.0)
    mean = _channels(settings["image_mean"] if normalise else 0.0)
    std = _channels(settings["image_std"] if normalise else 1.0)
    return tuple(one + offset for one in mean), tuple(one * more for one, more in zip(std, again, strict=True))


def _geometry(settings: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return how an image is resized, to which edge, and the side of the square that remains, in pixels."""
    size = settings["size"]
    if "shortest_edge" not in size:
        resize, edge = "squash", _side(size)
    elif "crop_pct" not in settings:
        resize, edge = "shortest_edge", size["shortest_edge"]
    elif size["shortest_edge"] >= _WARPED_FROM:
        resize, edge = "squash", size["shortest_edge"]
    else:  # ConvNeXt: cut out of a larger picture, whose edge is rounded down
        cut = size["shortest_edge"]
        return "shortest_edge", int(cut / settings["crop_pct"]), cut
    if settings.get("do_center_crop"):
        return resize, edge, _side(settings["crop_size"])
    if resize == "shortest_edge":
        raise ValueError("it cuts nothing out, so that images keep different shapes")
    return resize, edge, edge


def _side(size: Mapping[str, int]) -> int:
    if size["height"] != size["width"]:
        raise ValueError(f"it makes images of {size['height']} x {size['width']}, expected a square")
    return size["height"]


def _channels(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * 3


def _check(spec: ImageSpec, processor: Any, name: str) -> None:
    random = np.random.default_rng(0)
    for height, width in ((97, 151), (331, 230)):
        values = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = Image.fromarray(values)
        try:
            expected = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
        except Exception as error:  # a processor of something other than pictures
            raise ConfigError(f"{name}: its image processor does not run ({in_a_line(error)})") from None
        got = pixels(image, spec, exact=True)
        if got.shape != expected.shape or not np.allclose(got, expected, atol=1e-4):
            raise ConfigError(
                f"{name}: its image processor ({type(processor).__name__}) does what moodfuse's preprocessing cannot; "
                "the model would see other pixels than it was trained on"
            )
