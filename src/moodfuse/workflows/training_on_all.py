"""Train on every labelled post: the bundle's scores are then those of its recipe, cross-validated, and named so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from moodfuse import files
from moodfuse.config import Config
from moodfuse.data.duplicates import Groups
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.errors import ConfigError
from moodfuse.evaluate.calibration import fit_temperature, review_threshold
from moodfuse.files import write_csv
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress
from moodfuse.records.cells import read_cell
from moodfuse.records.comparison import load_comparison
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import Bundle, update_manifest
from moodfuse.runtime.predictor import softmax
from moodfuse.workflows.comparison.run import check_cells, check_fold_count, compare_models
from moodfuse.workflows.finishing import finish_bundle, training_facts

if TYPE_CHECKING:
    from moodfuse.learn.compare.models import ComparedModel
    from moodfuse.learn.pipeline import Trained

CELLS = "cross-validation"  # in the run's folder: a comparison of one model
CELL_COUNT = 5
REVIEW_SHARE = 0.2  # the least confident fifth of the posts, each judged by a model that had not seen it


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What a recipe scores on posts that its trainings had not seen, and what is fitted on those answers."""

    scores: dict[str, Any]  # as `metrics.json` holds a test's
    temperature: float
    review: dict[str, float | None]
    rows: list[dict[str, Any]]  # one a post, of the first seed


def check_fixed_budget(config: Config, split_file: Path | None) -> None:
    """Raise `ConfigError` where a training without held-out posts would have to choose something on them.

    And where the recipe cannot be cross-validated: said before the run's folder is taken.
    """
    from moodfuse.learn.compare.work import check_comparable

    if split_file:
        raise ConfigError("split.hold_out=false trains on every post: a --split has no meaning there; leave it out")
    if config.train.monitor != "none":
        raise ConfigError(
            "split.hold_out=false leaves no post to choose the best epoch on: set train.monitor=none train.patience=0 "
            "and train.epochs to a number that cross-validation has shown to do"
        )
    check_comparable(config)
    check_fold_count(config)


def train_on_all(
    posts: Posts,
    config: Config,
    run: RunFolder,
    digests: Mapping[str, str],
    groups: Groups,
    *,
    workers: int | None,
    progress: Progress,
    notify: Notify,
) -> dict[str, Any]:
    """Cross-validate the recipe, train it on all of `posts` into the run's bundle, and return the run's metrics."""
    from moodfuse.learn.fit.history import Hooks
    from moodfuse.learn.pipeline import train_model

    labels = Labels(config.labels)
    # The split of the cross-validation, written first: its being there says that the run's folder is this run's.
    split = make_split(posts, folds=config.split.folds, seed=config.split.seed, groups=groups, labels=labels)
    check_cells(posts, split, CELL_COUNT, labels)
    split.save(run.split)
    scored = cross_validated(posts, config, run, workers=workers, progress=progress, notify=notify)
    figures = "accuracy {accuracy:.3f}, macro-F1 {macro_f1:.3f}".format_map(scored.scores)
    notify(f"five-fold cross-validation: {figures}")
    trained = train_model(
        posts,
        {"train": posts.ids, "validation": []},
        config,
        run.path,
        groups.group_of,
        lambda stage: Hooks(lambda rows: write_csv(run.stage_history(stage), rows), progress),
    )
    bundle = update_manifest(
        trained.bundle, temperature=scored.temperature, review_threshold=scored.review["threshold"]
    )
    write_csv(run.predictions, scored.rows)
    metrics = _metrics(config, scored, trained, bundle, len(posts))
    finish_bundle(bundle, run, metrics, {"train": sorted(digests[i] for i in posts.ids), "validation": []})
    files.write_json(run.metrics, metrics)
    return metrics


def cross_validated(
    posts: Posts, config: Config, run: RunFolder, *, workers: int | None, progress: Progress, notify: Notify
) -> CrossValidation:
    """Run the recipe on five cells, `split.repeats` seeds each, in the run's folder; finished cells are not run again.

    The temperature is fitted on all out-of-fold answers at once, the review threshold on what it makes of them. The
    calibration error is that of the cells, each with the temperature that the others ask for: after one that was
    fitted on the very answers it would be too small.
    """
    result = compare_models(
        [_model(config)],
        posts,
        seeds=config.split.repeats,
        folds=CELL_COUNT,
        name=CELLS,
        comparisons=run.path,
        workers=workers,
        progress=progress,
        notify=notify,
    )
    folder = load_comparison(result.path)
    labels = Labels(config.labels)
    cells = [read_cell(folder.path, key, labels) for key in folder.cells()]
    logits = np.concatenate([np.log(c.probabilities[""].clip(1e-12)) * c.metrics["temperature"] for c in cells])
    true = np.concatenate([cell.true for cell in cells])
    temperature = fit_temperature(logits, true)
    probabilities = softmax(logits / temperature)  # (N x seeds, C)
    correct = probabilities.argmax(1) == true
    review = review_threshold(probabilities.max(1).tolist(), correct.tolist(), share=REVIEW_SHARE)
    ids = [i for cell in cells for i in cell.ids]
    # Cells come seed by seed, and each seed answers every post once. The mean over seeds would be an ensemble's answer.
    first = dict(zip(ids[: len(posts)], probabilities, strict=False))
    scores = _scores(result.rows[0], len(posts)) | {"calibration_error": result.results["calibration"][0]["ece"]}
    return CrossValidation(
        scores,
        temperature,
        asdict(review),
        [_row(i, str(label), first[i], labels) for i, label in zip(posts.ids, posts.labels, strict=True)],
    )


def _metrics(config: Config, scored: CrossValidation, trained: Trained, bundle: Bundle, posts: int) -> dict[str, Any]:
    seeds = config.split.repeats
    return {
        "test": scored.scores,
        "review": scored.review,
        "protocol": {
            "test": (
                "five-fold cross-validation of the recipe: each answer is that of a model which had not seen the post; "
                "the bundle itself was trained on all of them"
            ),
            "calibration": (
                "the temperature and the review threshold were fitted on all of these answers; the calibration error "
                "is that of the cells, whose temperatures were fitted on other posts"
            ),
            "intervals": "95 %, bootstrap over groups of near-duplicates" + (" and over seeds" if seeds > 1 else ""),
            "seeds": seeds,
            "train": posts,
            "validate": 0,
            "held_out": 0,
        },
        "training": training_facts(config, trained),
        "bundle": {"temperature": bundle.manifest.temperature, "parity": bundle.manifest.parity},
    }


def _model(config: Config) -> ComparedModel:
    from moodfuse.learn.compare.models import compared

    return compared(config.model.fusion, config)


def _scores(row: Mapping[str, Any], posts: int) -> dict[str, Any]:
    """Turn a comparison's row into scores as `metrics.json` holds them."""
    named = ("accuracy", "macro_f1", "weighted_f1")
    bounds = {name: [row[name]["low"], row[name]["high"]] for name in named}
    bounds |= {f"f1_{label}": [one["low"], one["high"]] for label, one in row["per_class"].items()}
    return {
        "n": posts,
        **{name: row[name]["value"] for name in named},
        "per_class": {
            label: {key: one[key] for key in ("precision", "recall", "f1", "support")}
            for label, one in row["per_class"].items()
        },
        "confusion": row["confusion"],
        "intervals": {name: [round(low, 6), round(high, 6)] for name, (low, high) in bounds.items()},
        "sd_seeds": {name: row[name]["sd_seeds"] for name in named},
    }


def _row(post_id: str, label: str, probabilities: np.ndarray, labels: Labels) -> dict[str, Any]:
    best = int(probabilities.argmax())
    row = {"id": post_id, "label": label, "predicted": labels.names[best], "confidence": float(probabilities[best])}
    return row | {f"p_{name}": float(p) for name, p in zip(labels.names, probabilities, strict=True)}
