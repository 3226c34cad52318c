"""Search: hyper-parameters of a model, chosen on the validation fold; the test fold is never used."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from moodfuse.config import Config
from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.posts import Posts
from moodfuse.data.splits import split_as
from moodfuse.errors import ConfigError
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress, mute, silent
from moodfuse.records.cells import Grid, Space
from moodfuse.records.search import SearchFolder, SearchSummary, open_search, write_search
from moodfuse.workflows.corpora import read_corpora
from moodfuse.workflows.extras import require_training
from moodfuse.workflows.groups import cached_groups
from moodfuse.workflows.labelled_posts import labelled_posts
from moodfuse.workflows.leaks import check_borrowed


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search: its folder, the best configuration, its validation score, and `search.json`."""

    path: Path
    best: Config
    score: float
    summary: SearchSummary

    @property
    def best_file(self) -> Path:
        """The YAML for `moodfuse train --config`."""
        return SearchFolder(self.path).best


def search(
    posts: Posts,
    config: Config,
    *,
    trials: int = 0,
    name: str,
    grid: Grid | None = None,
    space: Space | None = None,
    searches: Path = Path("searches"),
    progress: Progress = silent,
    notify: Notify = mute,
) -> SearchResult:
    """Search settings for `config` in `trials` trials, into `searches/name`; the same call again continues.

    With a `grid`, the values to try of each setting, its points are the trials and `trials` is not read. With a
    `space`, its settings are drawn from its spans and choices, in the place of those that every fusion has.
    Several processes may run it at once: they share the study, and `trials` counts the trials of all. The split is
    the same that `train` makes: fold 0 is kept for the test, fold 1 scores the trials, the rest train; with
    `split.validation` no post is kept for a test. Raises
    `ConfigError` for a folder that holds another search, `OutputError` where its study cannot be used.
    """
    require_training()
    from moodfuse.learn.assembly import check_posts
    from moodfuse.learn.search.study import study_errors
    from moodfuse.learn.search.trials import gain, run_trials, summarise

    trials = prod(len(values) for values in grid.values()) if grid else trials
    if trials < 1:
        raise ConfigError(f"--trials: expected 1 or more, found {trials}")
    _check(config, grid, space)
    labelled = labelled_posts(posts, notify)
    digests = post_digests(labelled)
    also = read_corpora(config, labelled, digests, progress, notify)
    check_posts(labelled, also.corpora.posts, config)
    data_hash = data_sha256(labelled, digests, also.sha256)
    groups = cached_groups(labelled, data_hash, progress)
    check_borrowed(config, digests, groups)
    folder = open_search(searches, name, config, data_hash, grid, space)
    split = split_as(labelled, config.split, groups, Labels(config.labels))
    parts = {"train": split.train_ids, "validation": split.validation_ids}
    with study_errors(folder.path):
        how: dict[str, Any] = {"grid": grid, "space": space, "corpora": also.corpora, "progress": progress}
        study = run_trials(folder.path, labelled, parts, config, trials, **how)
    if study.ended() < trials:
        notify(f"{trials - study.ended()} trials are still being run by other processes")
    score, best = study.best()
    known: dict[str, Any] = {"data_sha256": data_hash, "split_sha256": split.sha256, "also_train": list(also.facts)}
    if not grid:
        judged = labelled.subset(split.validation_ids)
        known["gain"] = gain(study, list(map(str, judged.labels)), [groups.group_of[i] for i in judged.ids], config)
    summary = summarise(study, config, trials).model_copy(update=known)
    write_search(folder, summary, study.rows(), best)
    return SearchResult(folder.path, best, score, summary)


def _check(config: Config, grid: Grid | None, space: Space | None) -> None:
    """Raise `ConfigError` for what cannot be searched or built, before a post is read."""
    from moodfuse.learn.assembly import check_model
    from moodfuse.learn.fit.devices import check_device
    from moodfuse.learn.search.own_space import check_searched
    from moodfuse.learn.search.space import first_points, with_settings

    check_model(config)
    if grid and space:
        raise ConfigError("expected a grid or a space, found both")
    check_searched(config, grid, space)
    for point in first_points(config, grid, space):
        check_model(with_settings(config, point))
    check_device(config.train.device, config.train.devices)
