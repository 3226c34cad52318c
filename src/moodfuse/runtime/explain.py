"""Why: what each modality, each word and each part of the image did to one post's answer.

The shares of the modalities are exact Shapley values (Shapley 1953; Lundberg & Lee, NeurIPS 2017): with two players
that takes four evaluations, the modality absent being a state that the model was trained with. Words and image
regions are weighed by occlusion (Zeiler & Fergus, ECCV 2014): how far the answer falls where a word or a
region is taken away.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from moodfuse.config import Modality
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import Post
from moodfuse.data.text import prepare_text
from moodfuse.runtime.graphs import Encoding
from moodfuse.runtime.predictor import Prediction, Predictor, PreparedPost
from moodfuse.runtime.views import mean_encoding

#: Words of a text that are weighed, from its start: about what an encoder of 128 tokens reads.
MAX_WORDS = 96
#: Rows and columns that an image is divided into.
GRID = 5

# Chinese and Japanese are written without blanks: there each character is a word.
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word at `start`..`end` of the text that was read, and how far the answer's probability falls without it."""

    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Regions:
    """Weights of the image's parts, row by row: how far the answer's probability falls where a part is greyed out.

    Of several images the first that could be read is meant; the others stay as they are.
    `seen` is the part of the image that the encoder sees: left, top, right, bottom as shares of its width and height.
    """

    weights: tuple[tuple[float, ...], ...]
    seen: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answer and its reasons; probabilities stand in the order of the bundle's labels.

    `prior` is what the model says of a post with nothing to read, `alone` what it says of each modality by itself,
    `shares` how far each modality moved the probabilities: over the modalities they sum to the answer less the prior.
    `text` is what was read of the text, `None` where nothing was.
    """

    prediction: Prediction
    prior: dict[str, float]
    alone: dict[Modality, dict[str, float]]
    shares: dict[Modality, dict[str, float]]
    text: str | None
    words: tuple[Word, ...]
    words_left_out: int
    regions: Regions | None


def explain(predictor: Predictor, post: Post, *, max_words: int = MAX_WORDS, grid: int = GRID) -> Explanation:
    """Explain the predictor's answer to `post`: the label it gave, not the one that may be true.

    What stays the same is encoded once: `n` words and `grid` x `grid` regions cost n texts and grid^2 images, however
    many other images stand beside the one that is weighed.
    """
    steps = explain_in_slices(predictor, post, predictor.prepare(post), max_words=max_words, grid=grid)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            explanation: Explanation = end.value
            return explanation


def explain_in_slices(
    predictor: Predictor, post: Post, prepared: PreparedPost, *, max_words: int = MAX_WORDS, grid: int = GRID
) -> Generator[None, None, Explanation]:
    """Explain as `explain` does a post that `predictor` has prepared; yield before each word and each region."""
    [text, *_], images = predictor.encode(_each_image(prepared))
    image = _mean(images)
    [prediction] = predictor.answer([prepared], [text], [image])
    prior, alone, shares = _shapley(predictor, text, image)
    answer = predictor.labels.id(prediction.label)
    read = _read_text(predictor, post) if text is not None else None
    places = [match.span() for match in _WORD.finditer(read or "")]
    kept = places[:max_words]
    occluded = [] if prepared.pixels is None else _occluded(prepared, grid)
    without_text: list[Encoding | None] = []
    for place in kept:
        yield
        without_text += predictor.encode([_without(predictor, post, read or "", place)])[0]
    greyed: list[Encoding | None] = []
    for one in occluded:
        yield
        greyed += predictor.encode([one])[1]
    without_region = [_mean([one, *images[1:]]) for one in greyed]
    rows = predictor.score(
        [text, *without_text, *[text] * len(occluded)], [image, *[image] * len(kept), *without_region]
    )
    fall = rows[0, answer] - rows[1:, answer]
    return Explanation(
        prediction,
        prior,
        alone,
        shares,
        read,
        tuple(
            Word((read or "")[start:end], start, end, float(weight))
            for (start, end), weight in zip(kept, fall[: len(kept)], strict=True)
        ),
        len(places) - len(kept),
        _regions(predictor, prepared, fall[len(kept) :], grid) if occluded else None,
    )


def seen_part(width: int, height: int, spec: ImageSpec) -> tuple[float, float, float, float]:
    """Return the part of an image that its encoder sees: left, top, right, bottom, as shares of width and height."""
    if spec.resize == "squash":
        across = down = (1 - spec.crop) / 2
    else:
        side = min(width, height) * spec.crop
        across, down = (1 - side / width) / 2, (1 - side / height) / 2
    return across, down, 1 - across, 1 - down


def _shapley(
    predictor: Predictor, text: Encoding | None, image: Encoding | None
) -> tuple[dict[str, float], dict[Modality, dict[str, float]], dict[Modality, dict[str, float]]]:
    """Return the prior, what each modality says alone, and each one's exact share of answer less prior."""
    nothing, of_text, of_image, both = predictor.score([None, text, None, text], [None, None, image, image])
    given = {"text": (text, of_text, of_image), "image": (image, of_image, of_text)}
    alone, shares = {}, {}
    for modality in predictor.manifest.modalities:
        encoding, own, others = given[modality]
        # The mean of what it adds to nothing and of what it adds to the other.
        shares[modality] = _named(predictor, ((own - nothing) + (both - others)) / 2)
        if encoding is not None:
            alone[modality] = _named(predictor, own)
    return _named(predictor, nothing), alone, shares


def _named(predictor: Predictor, row: np.ndarray) -> dict[str, float]:
    return dict(zip(predictor.labels.names, map(float, row), strict=True))


def _read_text(predictor: Predictor, post: Post) -> str | None:
    spec = predictor.manifest.text
    return None if spec is None else prepare_text(post.text, spec.cleaning)[0]


def _without(predictor: Predictor, post: Post, text: str, place: tuple[int, int]) -> PreparedPost:
    return predictor.prepare(Post(post.id, text=text[: place[0]] + text[place[1] :]))


def _each_image(prepared: PreparedPost) -> list[PreparedPost]:
    """Return a post with its first image, and each further image as a post of its own."""
    others = [replace(prepared, token_ids=None, pixels=one, more_pixels=()) for one in prepared.more_pixels]
    return [replace(prepared, more_pixels=()), *others]


def _mean(images: Sequence[Encoding | None]) -> Encoding | None:
    found = [image for image in images if image is not None]
    return mean_encoding(found) if found else None


def _occluded(prepared: PreparedPost, grid: int) -> list[PreparedPost]:
    """Return copies of the first image, each with one cell of the grid greyed out, for each of its encoders."""
    several = isinstance(prepared.pixels, tuple)
    inputs: tuple[np.ndarray, ...] = prepared.pixels if isinstance(prepared.pixels, tuple) else (prepared.pixels,)
    copies = []
    for row, column in itertools.product(range(grid), repeat=2):
        pixels = tuple(_greyed(one, row, column, grid) for one in inputs)
        copies.append(replace(prepared, token_ids=None, pixels=pixels if several else pixels[0], more_pixels=()))
    return copies


def _greyed(pixels: np.ndarray, row: int, column: int, grid: int) -> np.ndarray:
    """Return pixels (3, S, S) with a cell of the grid in the encoder's mean colour, which is 0 to it."""
    edges = np.linspace(0, pixels.shape[-1], grid + 1).round().astype(int)
    copy = pixels.copy()
    copy[:, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = 0
    return copy


def _regions(predictor: Predictor, prepared: PreparedPost, weights: Sequence[float] | np.ndarray, grid: int) -> Regions:
    spec = predictor.manifest.image
    assert spec is not None
    assert prepared.size is not None  # its pixels were occluded
    rows = np.asarray(weights, dtype=float).reshape(grid, grid)
    return Regions(tuple(tuple(map(float, row)) for row in rows), seen_part(*prepared.size, spec))
