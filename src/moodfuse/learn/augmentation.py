"""Augmentation of training images: the changes that the course reports list, drawn from the caller's generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from moodfuse.config import Augmentation

#: Takes a post's position and returns the random generator of its augmentation.
Draw = Callable[[int], np.random.Generator]

#: Changes to the values of the pixels that the encoder gets; all others are made before, on the image as it is.
_ON_PIXELS = frozenset({"noise", "blur"})
_SMALLEST_CROP = 0.8  # least share of the area that a crop keeps
_DEGREES = 15.0
_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
_NOISE = 8.0  # standard deviation, grey levels of 255
_BLUR = 1.5  # largest radius, pixels of the encoder's input
_GRID = 4  # cells a side
_SHIFT = 0.25  # a grid line moves by at most this share of a cell


def augment(
    image: Image.Image,
    names: Sequence[Augmentation],
    random: np.random.Generator,
    resize: Callable[[Image.Image], Image.Image],
) -> Image.Image:
    """Return a changed RGB image, resized for the encoder.

    Crop and flip always run; each other change is applied with probability 1/2. Noise and blur come after `resize`:
    before it, a large image would average them away.
    """
    image = _changed(image, [name for name in names if name not in _ON_PIXELS], random)
    return _changed(resize(image), [name for name in names if name in _ON_PIXELS], random)


def _changed(image: Image.Image, names: Sequence[Augmentation], random: np.random.Generator) -> Image.Image:
    for name in names:
        if name in {"crop", "flip"} or random.random() < 0.5:
            image = _CHANGES[name](image, random)
    return image


def _crop(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = float(np.sqrt(random.uniform(_SMALLEST_CROP, 1)))
    width, height = max(1, round(image.width * side)), max(1, round(image.height * side))
    left, top = random.integers(0, image.width - width + 1), random.integers(0, image.height - height + 1)
    return image.crop((int(left), int(top), int(left) + width, int(top) + height))


def _flip(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


def _rotation(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.rotate(random.uniform(-_DEGREES, _DEGREES), Image.Resampling.BILINEAR, fillcolor=(127, 127, 127))


def _rotation90(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.transpose(_TURNS[random.integers(len(_TURNS))])


def _noise(image: Image.Image, random: np.random.Generator) -> Image.Image:
    values = np.asarray(image, np.float32) + random.normal(0, _NOISE, (image.height, image.width, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _blur(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0, _BLUR)))


def _grid(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Move the inner lines of a grid and fill each cell from its moved corners (grid distortion)."""
    if min(image.size) < 2 * _GRID:
        return image  # cells of a pixel or less
    target = [np.linspace(0, size, _GRID + 1) for size in image.size]
    source = [lines.copy() for lines in target]
    for lines in source:
        step = lines[1] - lines[0]
        lines[1:-1] += random.uniform(-_SHIFT, _SHIFT, _GRID - 1) * step
    (x, y), (u, v) = ([line.round().astype(int) for line in target], source)
    cells = []
    for i in range(_GRID):
        for j in range(_GRID):
            box = (int(x[i]), int(y[j]), int(x[i + 1]), int(y[j + 1]))
            corners = (u[i], v[j], u[i], v[j + 1], u[i + 1], v[j + 1], u[i + 1], v[j])
            cells.append((box, tuple(map(float, corners))))
    return image.transform(image.size, Image.Transform.MESH, cells, Image.Resampling.BILINEAR)


_CHANGES: dict[Augmentation, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "crop": _crop,
    "flip": _flip,
    "rotation": _rotation,
    "rotation90": _rotation90,
    "noise": _noise,
    "blur": _blur,
    "grid": _grid,
}
