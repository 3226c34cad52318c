"""Robustness of models to typos and poor images: sampled posts are damaged, encoded again, predicted out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse.config import Config, Modality
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.evaluate.metrics import score
from moodfuse.evaluate.robustness import DAMAGES, Damage, add_typos, degrade
from moodfuse.labels import Labels
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.compare.heads import Encodings, kept_head
from moodfuse.learn.encoders import EncoderSource, Features
from moodfuse.learn.parts import label_ids
from moodfuse.learn.store import FeatureStore
from moodfuse.progress import Progress, silent
from moodfuse.records.cells import CellKey
from moodfuse.records.results import DamageCurve, DamageScore
from moodfuse.staging import temporary_folder


@dataclass(frozen=True, slots=True)
class Tested:
    """A model of a comparison whose heads were kept, and the seed of those heads."""

    name: str
    config: Config
    seed: int


def damage_curves(
    comparison: Path,
    models: Sequence[Tested],
    posts: Posts,
    cells: Mapping[str, int],
    labels: Labels,
    *,
    progress: Progress = silent,
) -> list[DamageCurve]:
    """Return a curve for each model and each damage of a modality that it reads.

    `cells` gives for each post the cell that tests it: that cell's head predicts the post, which it has not seen in
    training. The same posts are damaged in the same way for every model. A level of 0 is the undamaged post.
    """
    true = label_ids(posts, labels)
    steps = [(damage, level) for damage, (_, _, levels) in DAMAGES.items() for level in levels]
    sources = {model.name: encoder_sources(model.config) for model in models}
    said: dict[tuple[str, Damage], list[np.ndarray]] = {}
    with temporary_folder("damage") as scratch:
        encode = _Encoder(FeatureStore(scratch / "features.sqlite"))
        for done, (damage, level) in enumerate(steps):
            progress("damaging texts and images", done, len(steps))
            damaged = _damaged(posts, damage, level)
            for model in models:
                if DAMAGES[damage][0] not in sources[model.name]:
                    continue
                features = {
                    m: encode(source, damaged if m == DAMAGES[damage][0] else posts, (damage, level))
                    for m, source in sources[model.name].items()
                }
                predicted = _predict(comparison, model, sources[model.name], features, posts, cells)
                said.setdefault((model.name, damage), []).append(predicted)
    progress("damaging texts and images", len(steps), len(steps))
    return [_curve(name, damage, levels, true, labels) for (name, damage), levels in said.items()]


class _Encoder:
    """Encodes damaged posts, each set once for all models, in a temporary store."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._known: dict[tuple[Any, ...], Features] = {}

    def __call__(self, source: EncoderSource, posts: Posts, step: tuple[Damage, float]) -> Features:
        # Content that a step does not damage is found in the store.
        key = (source.reading(), *step)
        if key not in self._known:
            self._known[key] = source.features(posts, store=self._store)
        return self._known[key]


def _damaged(posts: Posts, damage: Damage, level: float) -> Posts:
    return Posts([_damage(post, i, damage, level) for i, post in enumerate(posts)], source=posts.source)


def _damage(post: Post, number: int, damage: Damage, level: float) -> Post:
    generator = np.random.default_rng([number, list(DAMAGES).index(damage), round(1000 * level)])
    if damage == "typos":
        return post if post.text is None else replace(post, text=add_typos(post.text, level, generator))
    images = [_degraded(image, damage, level, generator) for image in post.images]
    return replace(post, image=images[0] if images else None, more_images=tuple(images[1:]))


def _degraded(ref: ImageRef, damage: Damage, level: float, generator: np.random.Generator) -> ImageRef:
    image = look(ref).image
    return ref if image is None else ImageRef(degrade(image, damage, level, generator))


def _predict(
    comparison: Path,
    model: Tested,
    sources: Mapping[Modality, EncoderSource],
    features: Mapping[Modality, Features],
    posts: Posts,
    cells: Mapping[str, int],
) -> np.ndarray:
    """Return predicted label ids (N,); a temperature would not change them."""
    predicted = np.zeros(len(posts), np.int64)
    place = np.array([cells[i] for i in posts.ids])
    widths: dict[Modality, int] = {m: encoded.width for m, encoded in features.items()}
    for fold in np.unique(place):
        rows = np.flatnonzero(place == fold)
        encodings: Encodings = {m: [encoded.rows[row] for row in rows] for m, encoded in features.items()}
        head = kept_head(CellKey(model.seed, int(fold), model.name).head(comparison), model.config, sources, widths)
        predicted[rows] = head.logits(encodings).argmax(1)
    return predicted


def _curve(name: str, damage: Damage, levels: Sequence[np.ndarray], true: Sequence[int], labels: Labels) -> DamageCurve:
    modality, unit, steps = DAMAGES[damage]
    points = []
    for level, predicted in zip(steps, levels, strict=True):
        scores = score(true, predicted, labels)
        changed = float(np.mean(predicted != levels[0]))
        points.append(DamageScore(level=level, accuracy=scores.accuracy, macro_f1=scores.macro_f1, changed=changed))
    return DamageCurve(model=name, damage=damage, modality=modality, unit=unit, points=points)
