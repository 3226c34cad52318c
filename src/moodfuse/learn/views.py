"""Several encoders of one modality: what may be joined, and what the joined vectors are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from moodfuse.config import Config, Modality
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import EncoderSource, LexiconSource
from moodfuse.learn.features import Features, frozen_graph
from moodfuse.learn.fusion import FUSIONS, find_fusion
from moodfuse.learn.model import View
from moodfuse.runtime.graphs import Encoding, open_session, output_width
from moodfuse.runtime.views import join_encodings


def check_views(modality: Modality, sources: Sequence[EncoderSource], config: Config) -> None:
    """Raise `ConfigError` where the fusion or the regime cannot take these encoders of a modality, saying what can."""
    names = config.model.encoders(modality)
    fusion, reads = config.model.fusion, find_fusion(config.model.fusion).reads(modality)
    trains = config.train.regime != "frozen" and modality in config.train.tune
    lexica = [source.name for source in sources if isinstance(source, LexiconSource)]
    where = f"model.{modality}: "
    if reads == "pixels" and len(names) > 1:
        raise ConfigError(
            f"{where}fusion {fusion} reads the pixels as one encoder takes them; name one, not {_listed(names)}"
        )
    if reads == "tokens" and len(names) > 1:
        pooled = [n for n, cls in FUSIONS.items() if modality in cls.modalities and cls.reads(modality) == "pooled"]
        raise ConfigError(
            f"{where}fusion {fusion} reads tokens, which come from one encoder, so {_listed(names[1:])} would be "
            f"ignored; name {names[0]} alone, or take a fusion that reads vectors ({_listed(sorted(pooled))})"
        )
    if reads == "tokens" and lexica:
        raise ConfigError(f"{where}{lexica[0]} has no tokens, which fusion {fusion} reads; name another encoder")
    if trains and len(names) == len(lexica):
        raise ConfigError(f"{where}{lexica[0]} has nothing to train; take {modality} out of train.tune")
    if trains and len(names) > 1:
        first = next(name for name, source in zip(names, sources, strict=True) if source.name not in lexica)
        there = ",".join("runs/NAME" if name == first else name for name in names)
        raise ConfigError(
            f"{where}several encoders stay frozen, and train.regime={config.train.regime} trains the {modality}'s; "
            f"train {first} alone in a run of its own, then name that run here: model.{modality}=[{there}] "
            "train.regime=frozen"
        )


def joined_features(parts: Sequence[Features]) -> Features:
    """Return the features of several encoders of a modality as one: a post lacks it where any of them found nothing."""
    rows: list[Encoding | None] = []
    for found in zip(*(part.rows for part in parts), strict=True):
        there = [one for one in found if one is not None]
        rows.append(join_encodings(there) if len(there) == len(parts) else None)
    return Features(rows, sum(part.width for part in parts) if any(rows) else 0)


def source_views(source: EncoderSource) -> tuple[View, ...]:
    """Return the parts of a source's pooled vector: one for each encoder that it joins."""
    return tuple(View(source_width(part), part.normalise) for part in source.parts)


def source_width(source: EncoderSource) -> int:
    """Return how wide the pooled vector of one frozen encoder is."""
    if isinstance(source, LexiconSource):
        return source.load().dim
    return _graph_width(frozen_graph(source))


@lru_cache(maxsize=32)
def _graph_width(graph: Path) -> int:
    return output_width(open_session(graph))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
