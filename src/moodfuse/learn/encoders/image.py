"""What all image encoders do with posts."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from moodfuse.config import Augmentation, Modality
from moodfuse.data.fetching import fetch_ahead
from moodfuse.data.images import ImageSpec, image_bytes, look, pixels, read_of, resized, standardised
from moodfuse.data.posts import ImageRef, Posts
from moodfuse.learn.augmentation import Draw, augment
from moodfuse.learn.encoders.features import EncodingJob, Features, mean_features, stored_features
from moodfuse.learn.encoders.source import EncoderSource, LiveInputs
from moodfuse.learn.int8_convolutions import int8_convolutions
from moodfuse.learn.precision import reduce_weights
from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress, silent
from moodfuse.runtime.graphs import EncoderSession, Encoding, ImageGraph

REGIONS = 3  # regions per side: 3 x 3 regions are enough for attention and take a fifth of the space of 7 x 7
_CHUNK = 64  # images between two writes to the store


class ImageSource(EncoderSource):
    """The source of an image encoder, whose inputs are `PIXEL_INPUTS`."""

    modality: Modality = "image"
    revision = 2  # images are resized otherwise

    @property
    @abstractmethod
    def spec(self) -> ImageSpec: ...

    def _export(self) -> bytes:
        if self.precision != "int8":
            return super()._export()
        return reduce_weights(int8_convolutions(self.at("fp32").graph().read_bytes(), self.spec), "int8")

    def reader(self) -> ImageGraph:
        """Open the graph as a bundle's predictor runs it."""
        return ImageGraph(EncoderSession(self.graph()), self.spec)

    def features(
        self, posts: Posts, *, tokens: bool = False, store: FeatureStore | None = None, progress: Progress = silent
    ) -> Features:
        images = [image for post in posts for image in read_of(post.images)]
        fetch_ahead(images)
        outputs = ("pooled", "tokens") if tokens else ("pooled",)
        reader = cache(self.reader)  # opened only if something is new
        with ThreadPoolExecutor() as pool:

            def encode(places: Sequence[int]) -> Iterator[Encoding | None]:
                arrays = list(pool.map(lambda i: _decode(images[i], self.spec), places))
                encoded = iter(reader().encode([array for array in arrays if array is not None], outputs))
                yield from (None if array is None else next(encoded) for array in arrays)

            job = EncodingJob(
                f"image features ({self.name})",
                self.fingerprint(),
                outputs,
                list(pool.map(_digest, images)),
                encode,
                range(len(images)),
                _CHUNK,
            )
            return mean_features(stored_features(job, store or FeatureStore(), progress), _counts(posts))

    def live(self, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> LiveInputs:
        return PixelInputs(posts, self.spec, augmentation)


class PixelInputs:
    """Pixels of images, decoded again for every batch, so that memory use does not grow."""

    def __init__(self, posts: Posts, spec: ImageSpec, augmentation: Sequence[Augmentation] = ()) -> None:
        self._augmentation = augmentation
        self._spec = spec
        self.lengths: Sequence[int] | None = None
        fetch_ahead(image for post in posts for image in read_of(post.images))
        # Those that can be read, of each post.
        self._images = [[one for one in read_of(post.images) if look(one).image is not None] for post in posts]
        self.present = np.array([bool(images) for images in self._images], dtype=bool)

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> tuple[torch.Tensor, ...]:
        """Return pixels (B, 3, S, S); zeros if a post has no image.

        Where a post has several, all images of all posts (N, 3, S, S) and how many each post has of them (B,).
        """
        blank = np.zeros((3, self._spec.size, self._spec.size), np.float32)
        arrays, counts = [], []
        for i in indices:
            found = [array for one in self._images[i] if (array := self._decode(one, i, random)) is not None]
            arrays += found or [blank]
            counts.append(max(1, len(found)))
        pixels = torch.from_numpy(np.stack(arrays))
        return (pixels,) if len(arrays) == len(counts) else (pixels, torch.tensor(counts))

    def _decode(self, image: ImageRef, i: int, random: Draw | None) -> np.ndarray | None:
        if random is None or not self._augmentation:
            return _decode(image, self._spec)
        opened = look(image, enough=self._spec.enough).image
        if opened is None:
            return None
        changed = augment(opened, self._augmentation, random(i), lambda whole: resized(whole, self._spec))
        return standardised(changed, self._spec)


def _counts(posts: Posts) -> list[int]:
    return [len(read_of(post.images)) for post in posts]


def regions(features: Tensor) -> Tensor:
    """Average a feature map (B, D, h, w) over 3 x 3 overlapping windows: (B, 9, D). A smaller map stays as it is."""
    # Fixed windows instead of adaptive pooling, which ONNX cannot express.
    counts = [min(REGIONS, side) for side in features.shape[2:]]
    strides = [side // count for side, count in zip(features.shape[2:], counts, strict=True)]
    windows = [
        side - stride * (count - 1) for side, stride, count in zip(features.shape[2:], strides, counts, strict=True)
    ]
    return F.avg_pool2d(features, windows, strides).flatten(2).transpose(1, 2)  # (B, 9, D)


def all_visible(tokens: Tensor) -> Tensor:
    """Return the mask (B, T) of tokens (B, T, D) that are all real."""
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)


def _decode(image: ImageRef, spec: ImageSpec) -> np.ndarray | None:
    opened = look(image, enough=spec.enough).image
    return None if opened is None else pixels(opened, spec)


def _digest(image: ImageRef) -> bytes | None:
    content = image_bytes(image)
    return None if content is None else hashlib.blake2b(content, digest_size=32).digest()
