"""Train on every labelled post: the scores are then the cross-validation of the recipe, and are named so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from moodfuse.config import OTHER, Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.errors import ConfigError
from moodfuse.evaluate.calibration import fit_temperature, review_threshold
from moodfuse.evaluate.logits import softmax
from moodfuse.files import write_csv
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress
from moodfuse.records.cells import read_cell
from moodfuse.records.comparison import load_comparison
from moodfuse.records.metrics import EstimatedScores, LabelScores, Protocol, ReviewShares, RunMetrics
from moodfuse.records.results import ArmRow
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import update_manifest
from moodfuse.runtime.confusion import Confusion, count_answers, used_name
from moodfuse.workflows.comparison.run import Effort, check_cells, check_fold_count, compare_models
from moodfuse.workflows.corpora import ReadCorpora
from moodfuse.workflows.evaluation import NEAR
from moodfuse.workflows.finishing import bundle_facts, finish_run, training_facts
from moodfuse.workflows.groups import GroupedPosts
from moodfuse.workflows.leaks import borrowed_seen

if TYPE_CHECKING:
    from moodfuse.learn.compare.models import ComparedModel

CELL_COUNT = 5


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """A recipe's scores on posts that its trainings had not seen, and the values fitted on those answers."""

    scores: EstimatedScores
    temperature: float
    temperatures: dict[Modality, float]
    confusion: dict[str, Confusion]
    review: ReviewShares
    rows: list[dict[str, str | float]]  # a row per post, from the first seed


def check_fixed_budget(config: Config, split_file: Path | None) -> None:
    """Raise `ConfigError` if the configuration needs held-out posts, or its folds do not make five cells.

    This is checked before the run's folder is claimed.
    """
    if split_file:
        raise ConfigError("split.hold_out=false trains on every post, so --split has no meaning; leave it out")
    if config.train.monitor != "none":
        raise ConfigError(
            "split.hold_out=false leaves no post to choose the best epoch on: set train.monitor=none train.patience=0 "
            "and train.epochs to a number that cross-validation has shown to be enough"
        )
    check_fold_count(config, (2 * CELL_COUNT,))


def train_on_all(
    grouped: GroupedPosts,
    also: ReadCorpora,
    config: Config,
    run: RunFolder,
    *,
    workers: int | None,
    progress: Progress,
    notify: Notify,
) -> RunMetrics:
    """Cross-validate the recipe, train it on all of the posts into the run's bundle, and return the run's metrics."""
    from moodfuse.learn.fit.history import Hooks
    from moodfuse.learn.pipeline import train_model

    posts, groups = grouped.posts, grouped.groups
    labels = Labels(config.labels)
    # The split of the cross-validation is written first: it marks the folder as this run's.
    split = make_split(
        posts, folds=config.split.folds, seed=config.split.seed, groups=groups, labels=labels, settable=False
    )
    check_cells(posts, split, CELL_COUNT, labels)
    split.save(run.split)
    scored = cross_validated(posts, also, config, run, workers=workers, progress=progress, notify=notify)
    figures = f"accuracy {scored.scores.accuracy:.3f}, macro-F1 {scored.scores.macro_f1:.3f}"
    notify(f"five-fold cross-validation: {figures}")
    trained = train_model(
        posts,
        {"train": posts.ids, "validation": []},
        config,
        run,
        groups.group_of,
        lambda stage: Hooks(lambda rows: write_csv(run.stage_history(stage), rows), progress),
        also.corpora,
    )
    bundle = update_manifest(
        trained.bundle,
        temperature=scored.temperature,
        temperatures=scored.temperatures,
        confusion=scored.confusion,
        review_threshold=scored.review.threshold,
    )
    write_csv(run.predictions, scored.rows)
    metrics = RunMetrics(
        test=scored.scores,
        review=scored.review,
        protocol=_protocol(config.split.repeats, len(posts)).model_copy(update={"also_train": list(also.facts)}),
        training=training_facts(config, trained),
        bundle=bundle_facts(bundle),
    )
    seen, near = borrowed_seen(config), borrowed_seen(config, NEAR)
    seen["train"] |= {grouped.digests[i] for i in posts.ids} | also.digests
    near["train"] |= grouped.marks(posts.ids) | also.marks
    finish_run(run, bundle, metrics, seen, near)
    return metrics


def cross_validated(
    posts: Posts,
    also: ReadCorpora,
    config: Config,
    run: RunFolder,
    *,
    workers: int | None,
    progress: Progress,
    notify: Notify,
) -> CrossValidation:
    """Run the recipe on five cells, `split.repeats` seeds each, in the run's folder; finished cells are not run again.

    The temperature is fitted on all out-of-fold answers together, those of posts with one modality on the answers with
    the other withheld, and the review threshold on the calibrated answers.
    The calibration error is that of the cells, where the temperature of each is fitted on the other cells: with a
    temperature fitted on the same answers, the error would be too small.
    """
    result = compare_models(
        [_model(config)],
        posts,
        Effort(seeds=config.split.repeats, folds=CELL_COUNT, workers=workers),
        run.cross_validation,
        also=also,
        progress=progress,
        notify=notify,
    )
    folder = load_comparison(result.path)
    labels = Labels(config.labels)
    cells = [read_cell(folder.path, key, labels) for key in folder.cells()]
    logits = np.concatenate([cell.logits() for cell in cells])
    true = np.concatenate([cell.true for cell in cells])
    temperature = fit_temperature(logits, true)
    temperatures = {
        kept: fit_temperature(np.concatenate([cell.logits(gone) for cell in cells]), true)
        for kept, gone in OTHER.items()
        if all(gone in cell.probabilities for cell in cells)
    }
    probabilities = softmax(logits / temperature)  # (N x seeds, C)
    answers = {used_name(_model(config).modalities): probabilities}
    answers |= {
        kept: softmax(np.concatenate([cell.logits(OTHER[kept]) for cell in cells]) / value)
        for kept, value in temperatures.items()
    }
    correct = probabilities.argmax(1) == true
    review = review_threshold(probabilities.max(1).tolist(), correct.tolist())
    ids = [i for cell in cells for i in cell.ids]
    # Cells are in order of seeds, and each seed answers every post once. A mean over seeds would be an ensemble.
    first = dict(zip(ids[: len(posts)], probabilities, strict=False))
    return CrossValidation(
        _scores(result.rows[0], len(posts), result.results.calibration[0].ece),
        temperature,
        temperatures,
        count_answers(true, answers, repeats=config.split.repeats),
        ReviewShares(**asdict(review)),
        [_row(i, str(label), first[i], labels) for i, label in zip(posts.ids, posts.labels, strict=True)],
    )


def _protocol(seeds: int, posts: int) -> Protocol:
    return Protocol(
        test=(
            "five-fold cross-validation of the recipe: each answer is from a model that had not seen the post; "
            "the bundle itself was trained on all of them"
        ),
        calibration=(
            "the temperature and the review threshold were fitted on all of these answers; the calibration error "
            "is that of the cells, whose temperatures were fitted on other posts"
        ),
        intervals="95 %, bootstrap over groups of near-duplicates" + (" and over seeds" if seeds > 1 else ""),
        seeds=seeds,
        train=posts,
        validates=0,
        held_out=0,
    )


def _model(config: Config) -> ComparedModel:
    from moodfuse.learn.compare.models import compared

    return compared(config.model.fusion, config)


def _scores(row: ArmRow, posts: int, calibration_error: float) -> EstimatedScores:
    """Return a comparison's row as the scores of a run."""
    named = row.overall()
    bounds = {name: (mean.low, mean.high) for name, mean in named.items()}
    bounds |= {f"f1_{label}": (scores.low, scores.high) for label, scores in row.per_class.items()}
    return EstimatedScores(
        n=posts,
        accuracy=row.accuracy.value,
        macro_f1=row.macro_f1.value,
        weighted_f1=row.weighted_f1.value,
        per_class={
            label: LabelScores(precision=scores.precision, recall=scores.recall, f1=scores.f1, support=scores.support)
            for label, scores in row.per_class.items()
        },
        confusion=row.confusion,
        intervals={name: (round(low, 6), round(high, 6)) for name, (low, high) in bounds.items()},
        sd_seeds={name: mean.sd_seeds for name, mean in named.items()},
        calibration_error=calibration_error,
    )


def _row(post_id: str, label: str, probabilities: np.ndarray, labels: Labels) -> dict[str, str | float]:
    best = int(probabilities.argmax())
    answer: dict[str, str | float] = {"predicted": labels.names[best], "confidence": float(probabilities[best])}
    shares = {f"p_{name}": float(p) for name, p in zip(labels.names, probabilities, strict=True)}
    return {"id": post_id, "label": label} | answer | shares
