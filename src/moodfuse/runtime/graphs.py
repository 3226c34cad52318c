"""ONNX graphs and what feeds them. Training features and predictions both come from here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer

from moodfuse.data.images import ImageSpec
from moodfuse.data.images import pixels as to_pixels
from moodfuse.data.text import TextSpec
from moodfuse.errors import BundleError, in_a_line
from moodfuse.runtime.collation import head_feed, length_batches, pad_tokens
from moodfuse.runtime.devices import CPU, GPUS, DeviceError, check_started, session_providers
from moodfuse.runtime.tokenizer import panics_told
from moodfuse.runtime.unread import UnreadSigns

#: One post's output of an encoder: `pooled` (D,) and, where asked for, `tokens` (T, D) without padding. Of an image
#: that no encoder stands before: `pixels` (3, S, S).
Encoding = dict[str, np.ndarray]
#: Inputs of a graph, by name.
Feed = dict[str, np.ndarray]

TEXT_BATCH_TOKENS = 128  # tokens a batch and core, padding counted: larger ones fall out of its cache, and pad more
PIXEL_INPUTS = ("pixels",)
IMAGE_BATCH = 2  # images a batch: larger ones fall out of a small CPU's cache
GPU_TEXT_BATCH_TOKENS, GPU_IMAGE_BATCH = 16_384, 32  # not measured
TEXT_INPUTS = ("input_ids", "attention_mask")
#: Fusions of ONNX Runtime that lose time on a CPU: a sum and a LayerNorm in one kernel take longer than in two.
_SLOWER = ("SkipLayerNormFusion",)
_WIDE = 200_000_000  # bytes of weights from which on one batch keeps all threads busy by itself


def open_session(
    graph: Path | bytes, *, threads: int | None = None, mapped: bool = False, device: str = CPU
) -> onnxruntime.InferenceSession:
    """Open an ONNX graph on a device. `mapped` says that `map_graph` wrote it, for the CPU.

    Raises `BundleError` for what is no graph, and `DeviceError` where another device than the CPU does not take it.
    """
    options = _options(threads)
    if mapped:  # it was optimised when it was written
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return _open(graph, options, device)


class EncoderSession:
    """An encoder's graph on a device, or on so many threads of the CPU (`None`: one a core).

    The products of a small encoder gain little from a second thread, which they wait for after each; so it runs as
    many batches at once as there are threads, each on one. A large encoder runs one batch at a time, on all of them,
    and so does a GPU. `most_images` and `most_tokens` (padding counted) bound a batch.
    """

    def __init__(self, graph: Path, *, threads: int | None = None, mapped: bool = False, device: str = CPU) -> None:
        threads = threads or os.cpu_count() or 1
        wide = sum(file.stat().st_size for file in (graph, weights_beside(graph)) if file.is_file()) >= _WIDE
        gpu = device in GPUS
        whole = wide or gpu
        self.session = open_session(graph, threads=threads if whole else 1, mapped=mapped, device=device)
        self.most_images = GPU_IMAGE_BATCH if gpu else IMAGE_BATCH
        self.most_tokens = GPU_TEXT_BATCH_TOKENS if gpu else TEXT_BATCH_TOKENS * (threads if wide else 1)
        self._name = graph.name
        self._at_once = 1 if whole else threads
        self._pool = ThreadPoolExecutor(self._at_once)  # starts no thread before it is asked
        self.width = output_width(self.session)

    def run(self, outputs: Sequence[str], batches: Sequence[Callable[[], Feed]]) -> Iterable[list[np.ndarray]]:
        """Return each batch's outputs. A batch is made where it runs, so that few stand in memory at a time."""
        if self._at_once == 1 or len(batches) == 1:
            return (self._run(outputs, batch) for batch in batches)
        return self._pool.map(lambda batch: self._run(outputs, batch), batches)

    def _run(self, outputs: Sequence[str], batch: Callable[[], Feed]) -> list[np.ndarray]:
        return run_graph(self.session, outputs, batch(), self._name)


def weights_beside(graph: Path) -> Path:
    """Return where `map_graph` puts the weights of a graph."""
    return graph.with_name(f"{graph.name}.weights")


def map_graph(graph: Path, target: Path) -> None:
    """Write a graph as it runs on this machine, its weights beside it as they lie in memory.

    `open_session(target, mapped=True)` maps those weights instead of copying them: processes share one copy. The
    result belongs to this machine and this version of ONNX Runtime, and is not to be kept.
    """
    options = _options(1)
    options.optimized_model_filepath = str(target)
    for key, value in (
        ("optimized_model_external_initializers_file_name", weights_beside(target).name),
        ("optimized_model_external_initializers_min_size_in_bytes", "1024"),
        ("save_external_prepacked_constant_initializers", "1"),
    ):
        options.add_session_config_entry(f"session.{key}", value)
    _open(graph, options)


def _options(threads: int | None) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    return options


def _open(graph: Path | bytes, options: onnxruntime.SessionOptions, device: str = CPU) -> onnxruntime.InferenceSession:
    name = graph if isinstance(graph, Path) else "graph"
    try:
        session = onnxruntime.InferenceSession(
            graph if isinstance(graph, bytes) else str(graph),
            options,
            providers=session_providers(device),
            enable_fallback=0,  # to the same provider once more, with lines on stdout
            disabled_optimizers=list(_SLOWER) if device == CPU else [],
        )
    except Exception as error:  # onnxruntime's exceptions share no base class
        if device != CPU:  # the last line of what other providers say is about the graph
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
            raise DeviceError(f"cannot load {name} ({reason})") from None
        raise BundleError(f"{name}: ONNX Runtime cannot load it ({in_a_line(error)})") from None
    check_started(device, session.get_providers())
    return session


def run_graph(session: onnxruntime.InferenceSession, outputs: Sequence[str], feed: Feed, name: str) -> list[np.ndarray]:
    """Run a graph. Raises `BundleError` where it cannot take what it is given: a token that it has no vector for."""
    try:
        arrays: list[np.ndarray] = session.run(list(outputs), feed)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise BundleError(f"{name}: ONNX Runtime cannot run it ({in_a_line(error)})") from None
    return arrays


class TextGraph:
    """A tokenizer and the graph `input_ids, attention_mask (B, T) -> pooled (B, D), tokens (B, T, D)`."""

    def __init__(self, session: EncoderSession, tokenizer: Tokenizer, spec: TextSpec) -> None:
        self.session = session
        self.tokenizer = tokenizer
        self.spec = spec
        self.dim = session.width
        self._unread = UnreadSigns(tokenizer)

    def tokenize(self, texts: Sequence[str]) -> list[tuple[list[int], bool]]:
        """Return each text's token ids and whether it had to be cut."""
        # A batch starts threads, of which a process that is forked later would be told on stderr.
        one = len(texts) == 1
        with panics_told():
            found = [self.tokenizer.encode(texts[0])] if one else self.tokenizer.encode_batch(list(texts))
        return [(encoded.ids, bool(encoded.overflowing)) for encoded in found]

    def unread(self, text: str, token_ids: Sequence[int]) -> float | None:
        """Return the share of a text's letters and symbols that have no token."""
        return self._unread.share(text, token_ids)

    def encode(self, token_ids: Sequence[Sequence[int]], outputs: Sequence[str] = ("pooled",)) -> list[Encoding]:
        """Encode tokenised texts, shortest together, and give the results back in the order they came in."""
        result: list[Encoding] = [{} for _ in token_ids]
        batches = length_batches([len(ids) for ids in token_ids], self.session.most_tokens)

        def feed(batch: Sequence[int]) -> Feed:
            return dict(zip(TEXT_INPUTS, pad_tokens([token_ids[i] for i in batch], self.spec.pad_id), strict=True))

        found = self.session.run(outputs, [partial(feed, batch) for batch in batches])
        for batch, arrays in zip(batches, found, strict=True):
            for row, i in enumerate(batch):
                for name, array in zip(outputs, arrays, strict=True):
                    value = array[row]
                    result[i][name] = value[: len(token_ids[i])] if name == "tokens" else value
        return result


class ImageGraph:
    """The graph `pixels (B, 3, H, W) -> pooled (B, D), tokens (B, R, D)`."""

    def __init__(self, session: EncoderSession, spec: ImageSpec) -> None:
        self.session = session
        self.spec = spec
        self.enough = spec.enough
        self.dim = session.width

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Return a decoded image as pixels (3, H, W)."""
        return to_pixels(image, self.spec)

    def encode(self, pixels: Sequence[np.ndarray], outputs: Sequence[str] = ("pooled",)) -> list[Encoding]:
        """Encode prepared images, each (3, H, W)."""

        most = self.session.most_images

        def feed(start: int) -> Feed:
            return {"pixels": np.stack(pixels[start : start + most])}

        result: list[Encoding] = []
        for arrays in self.session.run(outputs, [partial(feed, i) for i in range(0, len(pixels), most)]):
            result += [dict(zip(outputs, values, strict=True)) for values in zip(*arrays, strict=True)]
        return result


class Unencoded:
    """Stands where an image encoder would, for a head that reads the pixels themselves."""

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec
        self.enough = spec.enough
        self.dim = spec.size

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Return a decoded image as pixels (3, S, S)."""
        return to_pixels(image, self.spec)

    def encode(self, pixels: Sequence[np.ndarray], outputs: Sequence[str] = ("pixels",)) -> list[Encoding]:
        """Return prepared images, each (3, S, S), as they are."""
        return [dict.fromkeys(outputs, array) for array in pixels]


class HeadGraph:
    """The graph from encodings, by the names of `head_feed`, to logits."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self.inputs = [one.name for one in session.get_inputs()]

    def logits(self, encodings: Mapping[str, Sequence[Encoding | None]], widths: Mapping[str, int]) -> np.ndarray:
        """Return logits (B, C) for B posts; for pixels `widths` holds the side."""
        return run_graph(self.session, ["logits"], head_feed(self.inputs, encodings, widths), "head.onnx")[0]


def output_width(session: onnxruntime.InferenceSession) -> int:
    """Return D, the width of a graph's `pooled` output."""
    for output in session.get_outputs():
        if output.name == "pooled" and len(output.shape) == 2 and isinstance(output.shape[1], int):
            return output.shape[1]
    raise BundleError("an encoder graph needs an output `pooled` of known width")
