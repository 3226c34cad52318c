"""The data of a training, the untrained model, and the fit of the model to the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from moodfuse.config import Config, Modality
from moodfuse.data.corpora import NO_CORPORA, Corpora, Pool
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.assembly import OpenModality, open_modalities
from moodfuse.learn.batches import Parts, PostBatches
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.fit.fit import fit
from moodfuse.learn.fit.history import SILENT, FitResult, Hooks
from moodfuse.learn.fusion import Shapes, build_fusion
from moodfuse.learn.model import Branch, FusionModel
from moodfuse.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Label ids (N,) and modalities of N posts, and the rows for training and for choosing the epoch.

    Rows of `also` only train: an epoch draws its share of each pool.
    """

    targets: Sequence[int]
    modalities: Mapping[Modality, OpenModality]
    train: Sequence[int]
    validation: Sequence[int]
    also: Sequence[Pool] = ()

    def parts(self) -> Parts:
        """Return the training and the validation part, ready to be batched."""
        text, image = (self.modalities[m].data if m in self.modalities else None for m in ("text", "image"))
        train = PostBatches(text, image, self.targets, self.train, self.also)
        return Parts(train, PostBatches(text, image, self.targets, self.validation))

    def prior(self, classes: int) -> np.ndarray:
        """Return the class shares (C,) among the training posts, without the pools."""
        return np.bincount([self.targets[row] for row in self.train], minlength=classes) / len(self.train)


def open_data(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    progress: Progress = silent,
    sources: Mapping[Modality, EncoderSource] | None = None,
    corpora: Corpora = NO_CORPORA,
) -> TrainingData:
    """Open what `config` reads, only for the posts with ids in `parts["train"]` and `parts["validation"]`.

    `sources` are the encoders to use; `None` takes the encoders that `config` names. `corpora` train along.
    """
    own = posts.subset([*parts["train"], *parts["validation"]])
    used, count = corpora.beside(own), len(parts["train"])
    modalities = open_modalities(used, config, progress, sources)
    targets = label_ids(used, Labels(config.labels))
    return TrainingData(targets, modalities, range(count), range(count, len(own)), corpora.pools(len(own)))


def label_ids(posts: Posts, labels: Labels) -> list[int]:
    """Return the label id of every post; every post must have a label."""
    return [labels.id(str(label)) for label in posts.labels]


def fit_parts(
    data: TrainingData, config: Config, folder: Path | None = None, hooks: Hooks = SILENT
) -> tuple[FusionModel, FitResult]:
    """Build the model that `config` describes, fit it with `fit` and return it in its best state."""
    model = build_model(config, data)
    return model, fit(model, data.parts(), config, folder, hooks)


def build_model(config: Config, data: TrainingData) -> FusionModel:
    """Build the untrained model; its new weights are drawn from `config.seed` alone.

    The auxiliary head of an encoder that a stage or another run has taught starts as the classifier that it was taught
    with; so does a fusion that is only that classifier.
    """
    branches = {
        m: Branch(opened.width, opened.encoder, opened.source.vector_parts(opened.width))
        for m, opened in data.modalities.items()
    }
    # Seeded here and not earlier: exporting an encoder draws random numbers, finding its exported graph does not.
    torch.manual_seed(config.seed)
    model = assemble(config, branches, data.prior(len(config.labels)).tolist())
    heads: dict[str, nn.Module] = dict(model.auxiliary.items())
    if (lone := model.fusion.lone_classifier()) is not None:
        heads |= dict.fromkeys(model.fusion.modalities, lone)
    for modality, head in heads.items():
        if taught := data.modalities[modality].source.classifier(config.labels):  # type: ignore[index]
            head.load_state_dict(taught)
    return model


def assemble(config: Config, branches: Mapping[Modality, Branch], prior: Sequence[float]) -> FusionModel:
    """Return the model that `config` describes on `branches`, its new weights drawn from torch's generator."""
    widths = {m: branch.width for m, branch in branches.items()}
    shapes = Shapes(widths.get("text", 0), widths.get("image", 0), len(config.labels))
    return FusionModel(
        build_fusion(config.model.fusion, shapes, config.model.options),
        branches,
        prior,
        auxiliary=config.model.auxiliary > 0,
        own_heads=config.model.one_modality == "auxiliary",
        dropout=config.model.dropout,
        modality_dropout=config.model.modality_dropout,
    )
