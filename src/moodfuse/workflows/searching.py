"""Search: hyper-parameters for one model, chosen on the validation fold; the test fold is never touched."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from moodfuse import files
from moodfuse.config import Config, build_config
from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.errors import ConfigError, DataError
from moodfuse.files import write_csv
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress, mute, silent
from moodfuse.records.environment import describe_environment
from moodfuse.workflows.extras import require_training
from moodfuse.workflows.groups import cached_groups


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search: its folder, the best configuration, its validation score, and `search.json`."""

    path: Path
    best: Config
    score: float
    summary: dict[str, Any]

    @property
    def best_file(self) -> Path:
        """The YAML for `moodfuse train --config`."""
        return self.path / "best.yaml"


def search(
    posts: Posts,
    config: Config,
    *,
    trials: int,
    name: str,
    searches: Path = Path("searches"),
    progress: Progress = silent,
    notify: Notify = mute,
) -> SearchResult:
    """Search settings for `config` over `trials` trials, into `searches/name`; the same call again goes on.

    Several processes may run it at once: they share the study, and `trials` counts all of theirs. The split is the one
    that `train` makes of the same posts: fold 0 is left for the test, fold 1 scores the trials, the rest train. Raises
    `ConfigError` for two-stage training and for a folder that holds another search.
    """
    require_training()
    from moodfuse.learn.assembly import check_model
    from moodfuse.learn.compare.work import check_comparable
    from moodfuse.learn.fit.devices import check_device
    from moodfuse.learn.search.trials import run_trials, summarise

    if trials < 1:
        raise ConfigError(f"--trials: expected 1 or more, found {trials}")
    check_model(config)
    check_comparable(config)
    check_device(config.train.device, config.train.devices)
    labelled = posts.labelled()
    if not len(labelled):
        raise DataError(f"{posts.source}: no post has a label; a search needs labelled posts")
    data_hash = data_sha256(labelled, post_digests(labelled))
    path = _open(searches, name, config, data_hash)
    groups = cached_groups(labelled, data_hash, progress)
    split = make_split(
        labelled, folds=config.split.folds, seed=config.split.seed, groups=groups, labels=Labels(config.labels)
    )
    parts = {"train": split.train_ids, "validation": split.validation_ids}
    study = run_trials(path, labelled, parts, config, trials, progress=progress)
    if study.ended() < trials:
        notify(f"{trials - study.ended()} trials are still being run by other processes")
    score, best = study.best()
    summary = summarise(study, config, trials, {"data_sha256": data_hash, "split_sha256": split.sha256})
    files.write_text(path / "best.yaml", best.to_yaml())
    write_csv(path / "trials.csv", _history(study.rows()))
    files.write_json(path / "importances.json", summary["importances"])
    files.write_json(path / "search.json", summary)
    return SearchResult(path, best, score, summary)


def _open(searches: Path, name: str, config: Config, data_hash: str) -> Path:
    if not re.fullmatch(r"[\w][\w.+-]{0,99}", name):
        raise ConfigError(
            f"--name: expected up to 100 letters, digits, '-', '_', '.' or '+', found {name[:120]!r}; name another"
        )
    path, plan = searches / name, searches / name / "plan.json"
    now = {"config": config.model_dump(mode="json"), "data_sha256": data_hash}
    with FileLock(files.make_folder(path / ".claims") / "folder.lock"):
        if not plan.is_file():
            if foreign := sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(".")):
                raise ConfigError(f"{path}: expected a search or a new folder, found one with {foreign[0]}")
            files.write_json(plan, now | {"environment": describe_environment(data_hash)})
            return path
    there = json.loads(plan.read_text("utf-8"))
    if there["data_sha256"] != data_hash:
        raise DataError(f"{path}: holds a search on other posts; give this one another --name, or delete that folder")
    if build_config([there["config"]]) != config:
        raise ConfigError(
            f"{path}: holds a search from another configuration; give this one another --name, or delete that folder"
        )
    return path


def _history(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the best score so far; scores of pruned trials stay empty."""
    best, result = -math.inf, []
    for row in rows:
        best = max(best, row["score"] if row["score"] is not None else -math.inf)
        result.append(row | {"best": best if math.isfinite(best) else None})
    return result
