"""Training of a model: from posts and a split to a bundle whose parity has been checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moodfuse.config import Config, Modality
from moodfuse.data.corpora import NO_CORPORA, Corpora
from moodfuse.data.posts import Posts
from moodfuse.learn.bundling import export_bundle
from moodfuse.learn.fit.history import SILENT, FitResult, Hooks
from moodfuse.learn.parts import fit_parts, open_data
from moodfuse.learn.stacking import fit_stacker
from moodfuse.learn.stages import tune_encoders
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import Bundle

_PARITY_POSTS = 32


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, how its training went, and its bundle (uncalibrated, without scores)."""

    bundle: Bundle
    fit: FitResult


def train_model(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    run: RunFolder,
    groups: Mapping[str, int],
    hooks: Callable[[str], Hooks] = lambda stage: SILENT,
    corpora: Corpora = NO_CORPORA,
    tuned: Mapping[Modality, Path] | None = None,
) -> Trained:
    """Train on `parts["train"]`, keep the state that is best on `parts["validation"]`, export it.

    `parts` holds ids, with an empty validation part if `train.monitor` is none; no other post is read. `groups` numbers
    each post's group of near-duplicates. The bundle goes to `run.unfinished` and takes the run's name, checkpoints go
    to `run.checkpoints`, and training resumes from the last checkpoint there. `hooks` returns the callbacks of a stage
    by its name, which is empty for the model itself. `corpora` train along in every stage. `tuned`: see
    `tune_encoders`. Raises `TrainingError` if
    the exported graphs do not compute what the model does.
    """
    told = hooks("")
    staged = config.train.regime == "two_stage"
    sources = tune_encoders(posts, parts, config, run, hooks, corpora, tuned) if staged else None
    data = open_data(posts, parts, config, told.progress, sources, corpora)
    model, result = fit_parts(data, config, run.checkpoints, told)
    fit_stacker(model, data, [groups[i] for i in parts["train"]], config, run.checkpoints, told.progress)
    told.progress("exporting the bundle", 0, 1)
    sample = posts.subset((parts["validation"] or parts["train"])[:_PARITY_POSTS])
    bundle = export_bundle(model, data.modalities, config, run.unfinished, sample, name=run.path.name)
    told.progress("exporting the bundle", 1, 1)
    return Trained(bundle, result)
