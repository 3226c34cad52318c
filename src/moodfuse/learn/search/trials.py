"""A search's trials: fitted inside the training folds, pruned by their validation scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moodfuse.config import Config
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.compare.cell import validation_score
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.fit.callbacks import History
from moodfuse.learn.fit.fit import fit
from moodfuse.learn.parts import build_model, label_ids, make_parts
from moodfuse.learn.search.study import StoredStudy
from moodfuse.progress import Progress, silent


def run_trials(
    folder: Path,
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    trials: int,
    *,
    progress: Progress = silent,
) -> StoredStudy:
    """Run trials until `trials` have ended or are being run by other processes on the same folder.

    Each trains on `parts["train"]` and is scored by its best epoch on `parts["validation"]`, ids both; no other post is
    looked at. After each epoch a trial that is below the median of the others' at that epoch is given up.
    """
    labels = Labels(config.labels)
    used = posts.subset([*parts["train"], *parts["validation"]])
    targets, count = label_ids(used, labels), len(parts["train"])
    study = StoredStudy(folder, config)
    with feature_folder(used, [config], progress) as features:

        def run(one: Config, report: Callable[[int, float], None]) -> tuple[float, None]:
            opened = features(one)
            train, validation, prior = make_parts(
                targets, opened, range(count), range(count, len(used)), classes=len(labels)
            )
            model = build_model(one, opened, prior)
            monitor = one.train.monitor

            def tell(rows: History) -> None:
                report(int(rows[-1]["epoch"]), validation_score(rows[-1], monitor))

            result = fit(model, train, validation, one, labels, None, save_history=tell)
            return validation_score(result.history[result.best_epoch], monitor), None

        while True:
            with study.claim(trials) as trial:
                if trial is None:
                    break
                progress("trials", study.ended(), trials)
                study.run(trial, run)
    progress("trials", study.ended(), trials)
    return study


def summarise(study: StoredStudy, config: Config, trials: int, sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return `search.json`: what was searched, by what, and the best of it."""
    score, best = study.best()
    return {
        "trials": {"ended": study.ended(), "wanted": trials},
        "monitor": config.train.monitor,
        "score": score,
        "importances": study.importances(),
        "config": config.model_dump(mode="json"),
        "best": best.model_dump(mode="json"),
        **sources,
    }
