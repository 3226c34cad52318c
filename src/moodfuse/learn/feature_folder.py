"""Frozen features for several processes: computed once, saved to disk, memory-mapped by each process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from moodfuse.config import Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.learn.assembly import OpenModality, encoder_sources, open_modality
from moodfuse.learn.batches import FrozenData
from moodfuse.learn.encoders import EncoderSource, Features
from moodfuse.learn.fusion import find_fusion
from moodfuse.progress import Progress, silent
from moodfuse.runtime.graphs import Encoding
from moodfuse.staging import temporary_folder


class FeatureFolder:
    """Opens the modalities that a configuration reads, from the features in `folder` rather than from the posts.

    Encoders that train are loaded again each time, and read `posts`; so do encoders that a stage has just tuned. The
    object can be sent to another process.
    """

    def __init__(self, folder: Path, posts: Posts) -> None:
        self._folder = folder
        self._posts = posts
        self._opened: dict[str, tuple[FrozenData, Features]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"_folder": self._folder, "_posts": self._posts, "_opened": {}}

    def __call__(
        self, config: Config, sources: Mapping[Modality, EncoderSource] | None = None
    ) -> Mapping[Modality, OpenModality]:
        """Open what `config` reads; `sources` are the encoders to use, `None` takes those that `config` names."""
        sources = encoder_sources(config) if sources is None else sources
        return {m: open_modality(m, source, self._posts, config, self._frozen) for m, source in sources.items()}

    def _frozen(self, source: EncoderSource, tokens: bool) -> tuple[FrozenData, Features]:
        name = _name(source)
        if not (self._folder / name).is_dir():  # tuned for one cell: kept no longer than the cell needs it
            features = source.features(self._posts, tokens=tokens)
            return FrozenData(features, tokens=tokens), features
        key = f"{name}:{tokens}"
        if key not in self._opened:
            features = _load(self._folder / name)
            self._opened[key] = FrozenData(features, tokens=tokens), features
        return self._opened[key]


@contextmanager
def feature_folder(posts: Posts, configs: Iterable[Config], progress: Progress = silent) -> Iterator[FeatureFolder]:
    """Compute all frozen features that the configurations read, once each; keep them on disk inside the block."""
    wanted: dict[str, tuple[EncoderSource, bool]] = {}
    for config in configs:
        cls = find_fusion(config.model.fusion)
        for modality, source in encoder_sources(config).items():
            trains = config.train.regime != "frozen" and modality in config.train.tune
            if not trains and cls.reads(modality) != "pixels":
                name = _name(source)
                tokens = cls.reads(modality) == "tokens"
                wanted[name] = (source, tokens or (name in wanted and wanted[name][1]))
    with temporary_folder("features") as scratch:
        for name, (source, tokens) in wanted.items():
            _save(source.features(posts, tokens=tokens, progress=progress), scratch / name)
        yield FeatureFolder(scratch, posts)


def _name(source: EncoderSource) -> str:
    return f"{source.modality}-{source.reading()}"


def _save(features: Features, folder: Path) -> None:
    """Write the pooled vectors (P, D) of the posts that have the modality, and their tokens, concatenated."""
    folder.mkdir()
    there = [row for row in features.rows if row is not None]
    np.save(folder / "present.npy", features.present)
    np.save(folder / "pooled.npy", np.stack([row["pooled"] for row in there]) if there else np.zeros((0, 0), "f4"))
    if there and "tokens" in there[0]:
        np.save(folder / "lengths.npy", [len(row["tokens"]) for row in there])
        total = sum(len(row["tokens"]) for row in there)
        tokens = np.lib.format.open_memmap(folder / "tokens.npy", "w+", np.float32, (total, features.width))
        start = 0
        for row in there:
            tokens[start : start + len(row["tokens"])] = row["tokens"]
            start += len(row["tokens"])
        tokens.flush()


def _load(folder: Path) -> Features:
    present = np.load(folder / "present.npy")
    pooled = np.load(folder / "pooled.npy", mmap_mode="r")
    encodings: list[Encoding] = [{"pooled": np.asarray(vector)} for vector in pooled]
    if (folder / "tokens.npy").is_file():
        tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        ends = np.cumsum(np.load(folder / "lengths.npy"))
        for encoding, start, end in zip(encodings, [0, *ends[:-1]], ends, strict=True):
            encoding["tokens"] = np.asarray(tokens[start:end])
    given = iter(encodings)
    return Features([next(given) if there else None for there in present], int(pooled.shape[1]))
