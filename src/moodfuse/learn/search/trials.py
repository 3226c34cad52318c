"""A search's trials: fitted inside the training folds, pruned by their validation scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

import torch

from moodfuse.config import Config
from moodfuse.data.corpora import NO_CORPORA, Corpora
from moodfuse.data.posts import Posts
from moodfuse.evaluate.intervals import paired_bootstrap
from moodfuse.labels import Labels
from moodfuse.learn.batches import PostBatches
from moodfuse.learn.compare.stages import CellStages
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.fit.history import History, Hooks, Watched
from moodfuse.learn.model import FusionModel
from moodfuse.learn.parts import TrainingData, fit_parts, label_ids
from moodfuse.learn.search.study import StoredStudy
from moodfuse.progress import Progress, silent
from moodfuse.records.cells import Grid, Space
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.search import Gain, SearchSummary, TrialCount

_BATCH = 64


def run_trials(
    folder: Path,
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    trials: int,
    *,
    grid: Grid | None = None,
    space: Space | None = None,
    corpora: Corpora = NO_CORPORA,
    progress: Progress = silent,
) -> StoredStudy:
    """Run trials until `trials` of them have ended or are being run by other processes on the same folder.

    Each trial trains on `parts["train"]` and is scored by its best epoch on `parts["validation"]`, both ids; no other
    post is read, but for `corpora`, which train along. After each epoch, a trial below the median score of the other
    trials at that epoch is pruned. With a `grid`, its points are the trials; with a `space`, it is searched.
    """
    own = posts.subset([*parts["train"], *parts["validation"]])
    used, count = corpora.beside(own), len(parts["train"])
    targets = label_ids(used, Labels(config.labels))
    study = StoredStudy(folder, config, grid, space)
    pools = corpora.pools(len(own))
    rows = {"train": range(count), "validation": range(count, len(own))}
    with feature_folder(used, [config], progress) as features:
        opener = CellStages(folder, "all", config, targets, rows, features, pools, progress, wait=-1)

        def run(drawn: Config, report: Callable[[int, float], None]) -> tuple[float, list[int]]:
            data = TrainingData(targets, opener(drawn), rows["train"], rows["validation"], pools)
            watched = Watched(drawn.train.monitor)

            def tell(epochs: History) -> None:
                report(int(epochs[-1]["epoch"]), watched.score(epochs[-1]))

            model, result = fit_parts(data, drawn, hooks=Hooks(tell))
            return watched.score(result.history[result.best_epoch]), _answers(model, data.parts().validation)

        while True:
            with study.claim(trials) as trial:
                if trial is None:
                    break
                progress("trials", study.ended(), trials)
                study.run(trial, run)
    progress("trials", study.ended(), trials)
    return study


def _answers(model: FusionModel, posts: PostBatches) -> list[int]:
    """Return the label id of every post, in their order."""
    device, found = next(model.parameters()).device, list[int]()
    with torch.inference_mode():
        for start in range(0, len(posts), _BATCH):
            batch = posts.load(posts.rows[start : start + _BATCH])
            found += model(batch.to(device)).logits.argmax(-1).tolist()
    return found


def gain(study: StoredStudy, truth: Sequence[str], groups: Sequence[Hashable], config: Config) -> Gain | None:
    """Return by how much the best trial's macro-F1 exceeds that of the configuration's own values, if another is best.

    On the validation posts, whose labels and groups of near-duplicates are given in their order. The best was chosen
    on them, so the gain is too high, and its interval says only how few posts they are. With another monitor than
    macro-F1 it may be below 0.
    """
    if (answers := study.first_and_best()) is None:
        return None
    labels = Labels(config.labels)
    true = [labels.id(label) for label in truth]
    found = paired_bootstrap(true, answers[1], answers[0], labels=labels, groups=groups)["macro_f1"]
    return Gain(macro_f1=found.difference, low=found.low, high=found.high)


def summarise(study: StoredStudy, config: Config, trials: int) -> SearchSummary:
    """Return the summary of a search: its trials, its monitor, and the best score and configuration."""
    score, best = study.best()
    return SearchSummary(
        trials=TrialCount(ended=study.ended(), wanted=trials),
        monitor=config.train.monitor,
        score=score,
        importances=study.importances(),
        config=StoredConfig.from_config(config),
        best=StoredConfig.from_config(best),
    )
