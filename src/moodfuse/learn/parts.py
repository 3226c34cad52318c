"""From opened modalities to the parts of a training: batches to train and validate on, an untrained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from moodfuse.config import Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.assembly import OpenModality
from moodfuse.learn.batches import PostBatches
from moodfuse.learn.fusion import Shapes, build_fusion
from moodfuse.learn.model import FusionModel


def build_model(config: Config, modalities: Mapping[Modality, OpenModality], prior: np.ndarray) -> FusionModel:
    """Build the untrained model, its new weights drawn from `config.seed` alone; `prior` (C,) are class shares."""
    # Seeded here and not earlier: exporting an encoder draws numbers, finding it exported does not.
    torch.manual_seed(config.seed)
    widths = {m: opened.width for m, opened in modalities.items()}
    shapes = Shapes(widths.get("text", 0), widths.get("image", 0), len(config.labels))
    return FusionModel(
        build_fusion(config.model.fusion, shapes, config.model.options),
        widths=widths,
        prior=prior.tolist(),
        parts={m: opened.source.vector_parts(opened.width) for m, opened in modalities.items()},
        encoders={m: opened.encoder for m, opened in modalities.items() if opened.encoder is not None},
        auxiliary=config.model.auxiliary > 0,
        dropout=config.model.dropout,
        modality_dropout=config.model.modality_dropout,
    )


def label_ids(posts: Posts, labels: Labels) -> list[int]:
    """Return the label id of every post, all of which have one."""
    return [labels.id(str(label)) for label in posts.labels]


def make_parts(
    targets: Sequence[int],
    modalities: Mapping[Modality, OpenModality],
    train: Sequence[int],
    validation: Sequence[int],
    *,
    classes: int,
) -> tuple[PostBatches, PostBatches, np.ndarray]:
    """Return training and validation part, by rows of `targets` (N,), and the training part's class shares (C,)."""
    text, image = (modalities[m].data if m in modalities else None for m in ("text", "image"))
    prior = np.bincount([targets[row] for row in train], minlength=classes) / len(train)
    return PostBatches(text, image, targets, train), PostBatches(text, image, targets, validation), prior
