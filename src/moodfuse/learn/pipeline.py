"""One model, from posts and a split to a bundle whose parity has been checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moodfuse.config import Config
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.assembly import open_modalities
from moodfuse.learn.bundling import export_bundle
from moodfuse.learn.fit.callbacks import History
from moodfuse.learn.fit.fit import fit
from moodfuse.learn.fit.loop import FitResult
from moodfuse.learn.parts import build_model, label_ids, make_parts
from moodfuse.learn.stacking import fit_stacker
from moodfuse.learn.stages import tune_encoders
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import (
    Bundle,
)

_PARITY_POSTS = 32
#: Where a bundle stands until it is calibrated and scored: nobody must take it for a finished one.
UNFINISHED = "bundle.unfinished"


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, how its training went, and its bundle (uncalibrated, without scores)."""

    bundle: Bundle
    fit: FitResult


def train_model(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    folder: Path,
    *,
    name: str,
    groups: Mapping[str, int],
    save_history: Callable[[str, History], None] = lambda stage, rows: None,
    progress: Progress = silent,
) -> Trained:
    """Train on `parts["train"]`, keep the state that does best on `parts["validation"]`, export it.

    `parts` holds ids, none to validate on where `train.monitor` is none; no other post is looked at. `groups` numbers
    each post's group of near-duplicates. The bundle goes to `folder/UNFINISHED`, checkpoints go to
    `folder/checkpoints`, and training goes on from the last one there. `save_history` is given the stage's name, empty
    for the model itself, and the epochs so far. Raises `TrainingError` where the exported graphs do not compute what
    the model does.
    """
    labels = Labels(config.labels)
    sources = None
    if config.train.regime == "two_stage":
        sources = tune_encoders(
            posts, parts, config, folder / "checkpoints", save_history=save_history, progress=progress
        )
    used = posts.subset([*parts["train"], *parts["validation"]])
    modalities = open_modalities(used, config, progress, sources)
    count = len(parts["train"])
    train, validation, prior = make_parts(
        label_ids(used, labels), modalities, range(count), range(count, len(used)), classes=len(labels)
    )
    model = build_model(config, modalities, prior)
    result = fit(
        model,
        train,
        validation,
        config,
        labels,
        folder / "checkpoints",
        save_history=lambda rows: save_history("", rows),
        progress=progress,
    )
    train_groups = [groups[i] for i in parts["train"]]
    fit_stacker(
        model, train, validation, train_groups, config, labels, modalities, folder / "checkpoints", progress=progress
    )
    progress("exporting the bundle", 0, 1)
    sample = posts.subset((parts["validation"] or parts["train"])[:_PARITY_POSTS])
    bundle = export_bundle(model, modalities, config, folder / UNFINISHED, sample, name=name)
    progress("exporting the bundle", 1, 1)
    return Trained(bundle, result)
