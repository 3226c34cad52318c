"""Cells of a comparison: one configuration, one fold, scored on posts that the cell never saw."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from moodfuse.config import Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError
from moodfuse.labels import Labels
from moodfuse.learn.assembly import OpenModality, build_model, open_modalities
from moodfuse.learn.batches import LengthBatches, PostBatches, loader
from moodfuse.learn.export import head_graph, head_inputs
from moodfuse.learn.features import Features
from moodfuse.learn.model import FusionModel
from moodfuse.learn.training import fit
from moodfuse.learn.tuned import is_run
from moodfuse.progress import Progress, silent
from moodfuse.runtime.graphs import Encoding, head_feed, open_session
from moodfuse.runtime.predictor import softmax

_TEST_BATCH = 256


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """Out-of-fold probabilities (N, C), one row a post, and what they cost."""

    probabilities: np.ndarray
    parameters: int
    epoch_seconds: float  # median over all epochs of all folds


def fold_parts(folds: Mapping[str, int], pair: int) -> dict[str, list[str]]:
    """Return the ids of one of five cells of a ten-fold split: two folds test, the next one validates, seven train."""
    count = 1 + max(folds.values())
    if count != 10:
        raise ConfigError(f"five cells of pairs need a split of 10 folds, found {count}")
    test, validation = {2 * pair, 2 * pair + 1}, (2 * pair + 2) % 10
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for post_id, fold in folds.items():
        parts["test" if fold in test else "validation" if fold == validation else "train"].append(post_id)
    return parts


def cross_validate(
    posts: Posts,
    folds: Mapping[str, int],
    config: Config,
    *,
    pairs: Sequence[int] = range(5),
    progress: Progress = silent,
) -> CrossValidated:
    """Train and test `config` on each of `pairs`, features computed once; rows of untested posts are NaN.

    The best epoch of a cell is chosen on its own validation fold; its test folds are looked at once. Raises
    `ConfigError` for two-stage training and for encoders of other runs.
    """
    if config.train.regime == "two_stage" or is_run(config.model.text) or is_run(config.model.image):
        # A stage before the cell's own would have seen posts that the cell tests on.
        raise ConfigError("cross-validation takes frozen and end_to_end, with encoders that no other run has trained")
    labels = Labels(config.labels)
    modalities = open_modalities(posts, config, progress)
    targets = np.array([labels.id(str(label)) for label in posts.labels])
    row = {post_id: i for i, post_id in enumerate(posts.ids)}
    probabilities = np.full((len(posts), len(labels)), np.nan)
    seconds: list[float] = []
    parameters = 0
    for pair in pairs:
        rows = {part: [row[i] for i in ids] for part, ids in fold_parts(folds, pair).items()}
        started = time.perf_counter()
        model, epochs = _fit_cell(modalities, config, labels, targets, rows, progress)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        seconds.append((time.perf_counter() - started) / max(1, epochs))
        probabilities[rows["test"]] = _test(model, modalities, rows["test"], targets)
        if config.train.tuned:
            modalities = open_modalities(posts, config)  # the pretrained weights again
    return CrossValidated(probabilities, parameters, float(np.median(seconds)))


def _fit_cell(
    modalities: Mapping[Modality, OpenModality],
    config: Config,
    labels: Labels,
    targets: np.ndarray,
    rows: Mapping[str, Sequence[int]],
    progress: Progress,
) -> tuple[FusionModel, int]:
    counts = np.bincount(targets[rows["train"]], minlength=len(labels))
    model = build_model(config, modalities, prior=counts / counts.sum())
    text, image = (modalities[m].data if m in modalities else None for m in ("text", "image"))
    train, validation = (PostBatches(text, image, targets.tolist(), rows[part]) for part in ("train", "validation"))
    with tempfile.TemporaryDirectory(prefix="moodfuse-cell-") as folder:
        result = fit(model, train, validation, config, labels, Path(folder), progress=progress)
    return model, len(result.history)


def _test(
    model: FusionModel, modalities: Mapping[Modality, OpenModality], rows: Sequence[int], targets: np.ndarray
) -> np.ndarray:
    if model.encoders or model.fusion.consumes == "pixels":  # no store keeps pixels
        return _test_live(model, modalities, rows, targets)
    widths = {m: opened.width for m, opened in modalities.items()}
    session = open_session(head_graph(model, widths))
    named: dict[str, int] = {m: width for m, width in widths.items()}  # noqa: C416 (another key type)
    encodings = {m: _rows(opened.features) for m, opened in modalities.items()}
    logits = []
    for start in range(0, len(rows), _TEST_BATCH):
        part = rows[start : start + _TEST_BATCH]
        feed = head_feed(head_inputs(model), {m: [one[i] for i in part] for m, one in encodings.items()}, named)
        logits.append(session.run(["logits"], feed)[0])
    return softmax(np.concatenate(logits))


@torch.no_grad()
def _test_live(
    model: FusionModel, modalities: Mapping[Modality, OpenModality], rows: Sequence[int], targets: np.ndarray
) -> np.ndarray:
    text, image = (modalities[m].data if m in modalities else None for m in ("text", "image"))
    part = PostBatches(text, image, targets.tolist(), rows)
    logits = [model(batch).logits.float() for batch in loader(part, LengthBatches(len(part), _TEST_BATCH))]
    return softmax(torch.cat(logits).numpy())


def _rows(features: Features | None) -> list[Encoding | None]:
    if features is None:
        raise ConfigError("a frozen encoder's features are missing")
    return features.rows
