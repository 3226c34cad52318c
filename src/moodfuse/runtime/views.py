"""What a bundle's model reads of a text or an image: one encoder's output, or several encoders' side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from moodfuse.config import Modality
from moodfuse.data.text import TextSpec
from moodfuse.errors import BundleError
from moodfuse.runtime.agreement import check_encoder
from moodfuse.runtime.bundle import PIXELS, Bundle, ViewSpec, graph_name, tokenizer_name
from moodfuse.runtime.devices import CPU
from moodfuse.runtime.graphs import (
    PIXEL_INPUTS,
    TEXT_INPUTS,
    EncoderSession,
    Encoding,
    ImageGraph,
    TextGraph,
    Unencoded,
    map_graph,
)
from moodfuse.runtime.lexicon import LexiconReader
from moodfuse.runtime.tokenizer import load_tokenizer

#: A text or an image as its encoder takes it: token ids, scores or pixels; of several encoders, one of each.
EncoderInput = Any


class TextReader(Protocol):
    """Texts in, encodings out."""

    spec: TextSpec
    dim: int

    def tokenize(self, texts: Sequence[str]) -> list[tuple[EncoderInput, bool]]:
        """Return each cleaned text as `encode` takes it, and whether something of it had to be cut off."""

    def unread(self, text: str, inputs: EncoderInput) -> float | None:
        """Return the share of a text's letters and symbols that this does not read; `None` where that is not known."""

    def encode(self, inputs: Sequence[EncoderInput], outputs: Sequence[str] = ...) -> list[Encoding]:
        """Return each text's encoding."""


class ImageReader(Protocol):
    """Images in, encodings out."""

    dim: int
    #: The shorter side of an image that is enough for it, in pixels.
    enough: int

    def prepare(self, image: Image.Image) -> EncoderInput:
        """Return a decoded image as `encode` takes it."""

    def encode(self, inputs: Sequence[EncoderInput], outputs: Sequence[str] = ...) -> list[Encoding]:
        """Return each image's encoding."""


class JoinedTexts:
    """Several encoders of one text. A text counts as cut where any of them does not read it to its end."""

    def __init__(self, readers: Sequence[TextReader]) -> None:
        self._readers = readers
        self.spec = readers[0].spec
        self.dim = sum(reader.dim for reader in readers)

    def tokenize(self, texts: Sequence[str]) -> list[tuple[tuple[EncoderInput, ...], bool]]:
        """Return each text as each encoder takes it, and whether one of them had to cut it."""
        each = zip(*(reader.tokenize(texts) for reader in self._readers), strict=True)
        return [(tuple(inputs for inputs, _ in one), any(cut for _, cut in one)) for one in each]

    def unread(self, text: str, inputs: tuple[EncoderInput, ...]) -> float | None:
        """Return the share that the one which reads most does not read: what it has read, the model has."""
        each = [reader.unread(text, one) for reader, one in zip(self._readers, inputs, strict=True)]
        return min((share for share in each if share is not None), default=None)

    def encode(
        self, inputs: Sequence[tuple[EncoderInput, ...]], outputs: Sequence[str] = ("pooled",)
    ) -> list[Encoding]:
        """Return each text's vectors, joined."""
        return _encode_joined(self._readers, inputs, outputs)


class JoinedImages:
    """Several encoders of one image, which is decoded once and prepared for each."""

    def __init__(self, readers: Sequence[ImageReader]) -> None:
        self._readers = readers
        self.enough = max(reader.enough for reader in readers)
        self.dim = sum(reader.dim for reader in readers)

    def prepare(self, image: Image.Image) -> tuple[EncoderInput, ...]:
        """Return the image as each encoder takes it."""
        return tuple(reader.prepare(image) for reader in self._readers)

    def encode(
        self, inputs: Sequence[tuple[EncoderInput, ...]], outputs: Sequence[str] = ("pooled",)
    ) -> list[Encoding]:
        """Return each image's vectors, joined."""
        return _encode_joined(self._readers, inputs, outputs)


def join_encodings(views: Iterable[Encoding]) -> Encoding:
    """Return several encoders' outputs for one post as one: `pooled` joined, everything else from the first."""
    views = list(views)
    return views[0] | {"pooled": np.concatenate([view["pooled"] for view in views])}


def mean_encoding(images: Sequence[Encoding]) -> Encoding:
    """Return the encodings of a post's images as one: the mean of vectors and of regions, and the first's pixels.

    A post of one image has that image's encoding, bit for bit.
    """
    if len(images) == 1:
        return images[0]
    several = {kind: np.stack([one[kind] for one in images]) for kind in images[0]}
    return {kind: each[0] if kind == "pixels" else each.mean(0, dtype=np.float32) for kind, each in several.items()}


def open_texts(bundle: Bundle, *, threads: int, graphs: Path | None = None, device: str = CPU) -> TextReader:
    """Open all that the bundle's model reads of a text; `graphs` is a folder of mapped graphs.

    Raises `MissingExtraError` where a package that scores texts is not installed, `DeviceError` where the device does
    not take a graph.
    """

    def open_reader(place: int, view: ViewSpec, spec: TextSpec) -> TextReader:
        if view.kind == "lexicon":
            return LexiconReader(view, spec)
        try:
            tokenizer = bundle.path(tokenizer_name(place)).read_text("utf-8")
        except UnicodeDecodeError:
            raise BundleError(f"{bundle.folder}: {tokenizer_name(place)} is no JSON (not in UTF-8)") from None
        session = _open_encoder(bundle, "text", place, threads, graphs, device)
        return TextGraph(session, load_tokenizer(tokenizer, max_tokens=spec.max_tokens), spec)

    views = [(view, view.text) for view in bundle.manifest.views_of("text")]
    readers = [open_reader(place, view, spec) for place, (view, spec) in enumerate(views) if spec is not None]
    return readers[0] if len(readers) == 1 else JoinedTexts(readers)


def open_images(bundle: Bundle, *, threads: int, graphs: Path | None = None, device: str = CPU) -> ImageReader:
    """Open all that the bundle's model reads of an image; `graphs` is a folder of mapped graphs.

    Raises `DeviceError` where the device does not take a graph.
    """
    specs = [view.image for view in bundle.manifest.views_of("image") if view.image is not None]
    if PIXELS in bundle.manifest.head_inputs:
        return Unencoded(specs[0])
    readers = [
        ImageGraph(_open_encoder(bundle, "image", place, threads, graphs, device), spec)
        for place, spec in enumerate(specs)
    ]
    return readers[0] if len(readers) == 1 else JoinedImages(readers)


def map_graphs(bundle: Bundle, folder: Path) -> Path:
    """Write the bundle's graphs to `folder` so that processes which open them there share their weights."""
    for name in bundle.manifest.files:
        if name.endswith(".onnx"):
            map_graph(bundle.path(name), folder / name)
    return folder


def _open_encoder(
    bundle: Bundle, modality: Modality, place: int, threads: int, graphs: Path | None, device: str
) -> EncoderSession:
    """Open the graph of a modality's view. Of several views only the first may give tokens."""
    name = graph_name(modality, place)
    file = (graphs or bundle.folder) / name
    opened = EncoderSession(file, threads=threads, mapped=graphs is not None, device=device)
    tokens = place == 0 and f"{modality}_tokens" in bundle.manifest.head_inputs
    outputs = ("pooled", "tokens") if tokens else ("pooled",)
    check_encoder(opened.session, name, TEXT_INPUTS if modality == "text" else PIXEL_INPUTS, outputs)
    return opened


def _encode_joined(
    readers: Sequence[TextReader | ImageReader], inputs: Sequence[tuple[EncoderInput, ...]], outputs: Sequence[str]
) -> list[Encoding]:
    each = [
        reader.encode([one[place] for one in inputs], outputs if place == 0 else ("pooled",))
        for place, reader in enumerate(readers)
    ]
    return [join_encodings(views) for views in zip(*each, strict=True)]
