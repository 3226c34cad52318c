"""Train: from posts to a run folder, with all scores from the exported bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from moodfuse.config import Config, Modality
from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.duplicates import Groups, straddling
from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split, read_split, split_as
from moodfuse.errors import ConfigError
from moodfuse.evaluate.calibration import fit_temperature, review_threshold
from moodfuse.evaluate.logits import logits_of, softmax
from moodfuse.files import write_csv
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress, mute, silent
from moodfuse.records.claim import Claim, working_alone
from moodfuse.records.metrics import (
    VALIDATION_ONLY,
    EstimatedScores,
    Protocol,
    ReviewShares,
    RunMetrics,
    ValidationScores,
)
from moodfuse.records.record import read_record
from moodfuse.records.run import RunFolder, open_run
from moodfuse.runtime.bundle import Bundle, read_bundle, update_manifest
from moodfuse.runtime.confusion import Confusion, count_answers, used_name
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.workflows.corpora import ReadCorpora, read_corpora
from moodfuse.workflows.evaluation import NEAR, Evaluation, evaluate_posts, run_predictor, score_predictions
from moodfuse.workflows.finishing import bundle_facts, finish_run, training_facts
from moodfuse.workflows.groups import GroupedPosts, cached_groups
from moodfuse.workflows.labelled_posts import labelled_posts
from moodfuse.workflows.leaks import borrowed_seen, refuse_leaks
from moodfuse.workflows.training_on_all import check_fixed_budget, train_on_all


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run."""

    run: RunFolder
    metrics: RunMetrics
    resumed: bool = False  # the run was finished before, so nothing was computed

    @property
    def bundle(self) -> Bundle:
        return read_bundle(self.run.bundle)


def train(
    posts: Posts,
    config: Config,
    *,
    name: str,
    runs: Path = Path("runs"),
    split_file: Path | None = None,
    workers: int | None = 1,
    tuned: Mapping[Modality, Path] | None = None,
    progress: Progress = silent,
    notify: Notify = mute,
) -> RunResult:
    """Train a model on `posts` into `runs/name`; the same call again continues an interrupted run.

    The split is fixed before anything is fitted: made (stratified, near-duplicates kept together) or read from
    `split_file`. Validation posts choose the best state, the temperature and the review threshold; the test posts
    are used once, at the end, with the finished bundle; with `split.validation` there are none, and the metrics have no
    test scores. With `split.hold_out=false` every labelled post trains the
    model, and the scores are those of its recipe in five-fold cross-validation, which runs in `workers` processes
    (`None`: as many as cores). With several workers, a script needs `if __name__ == "__main__":`, as for any use of
    multiprocessing. `tuned` are folders in which a comparison has tuned the same encoders on the same training posts:
    they are not tuned again.
    """
    from moodfuse.learn.assembly import check_model, check_posts
    from moodfuse.learn.fit.devices import check_device

    check_model(config)
    if not config.split.hold_out:
        check_fixed_budget(config, split_file)
    if split_file and config.split.validation:
        raise ConfigError("--split and split.validation both say which posts validate; give one of them")
    check_device(config.train.device, config.train.devices)
    labelled = labelled_posts(posts, notify)
    digests = post_digests(labelled)
    also = read_corpora(config, labelled, digests, progress, notify)
    check_posts(labelled, also.corpora.posts, config)
    given = split_file.read_text("utf-8", "replace") if split_file and split_file.is_file() else ""
    data_hash = data_sha256(labelled, digests, given + also.sha256)
    claim = Claim("run", runs, name)
    with working_alone(claim.folder):
        run = open_run(claim, config, data_hash, posts.source)
        if run.finished:
            return RunResult(run, read_record(run.metrics, RunMetrics), resumed=True)
        log = _Log(run, notify)
        grouped = GroupedPosts(labelled, digests, cached_groups(labelled, data_hash, progress))
        if config.split.hold_out:
            split = _fixed_split(run, labelled, config, grouped.groups, split_file, log)
            metrics = _train_held_out(grouped, also, config, run, split, tuned, progress, log)
        else:
            metrics = train_on_all(grouped, also, config, run, workers=workers, progress=progress, notify=log)
    return RunResult(run, metrics)


def _train_held_out(
    grouped: GroupedPosts,
    also: ReadCorpora,
    config: Config,
    run: RunFolder,
    split: Split,
    tuned: Mapping[Modality, Path] | None,
    progress: Progress,
    log: Notify,
) -> RunMetrics:
    """Train, select and calibrate, and test on the three parts of the split; return the run's metrics."""
    from moodfuse.learn.fit.history import Hooks
    from moodfuse.learn.pipeline import train_model

    posts, digests, groups = grouped.posts, grouped.digests, grouped.groups
    parts = {"train": split.train_ids, "validation": split.validation_ids, "test": split.test_ids}
    refuse_leaks(config, parts, digests, groups)
    trained = train_model(
        posts,
        {part: parts[part] for part in ("train", "validation")},
        config,
        run,
        groups.group_of,
        lambda stage: Hooks(lambda rows: write_csv(run.stage_history(stage), rows), progress),
        also.corpora,
        tuned,
    )
    log(f"best epoch {trained.fit.best_epoch + 1} of {len(trained.fit.history)} by validation {config.train.monitor}")
    bundle, validation = _calibrate(trained.bundle, posts.subset(parts["validation"]), groups, progress)
    shown = posts.subset(parts["test"] or parts["validation"])
    answered = evaluate_posts(Predictor(bundle), shown, groups=groups, progress=progress)
    alone = _withheld(bundle, answered, groups, progress)
    rows = zip(answered.rows(), _columns(alone, answered), strict=True)
    write_csv(run.predictions, [row | extra for row, extra in rows])
    metrics = RunMetrics(
        validation=validation,
        protocol=_protocol(split, groups).model_copy(update={"also_train": list(also.facts)}),
        training=training_facts(config, trained),
        bundle=bundle_facts(bundle),
    )
    if parts["test"]:
        metrics = metrics.model_copy(update={"test": answered.scores, **_alone_scores(alone)})
        bundle = update_manifest(bundle, confusion=_confusion(bundle, answered, alone))
    # This bundle has also seen what the encoder of another run saw.
    seen, near = borrowed_seen(config), borrowed_seen(config, NEAR)
    for part in seen:
        seen[part] |= {digests[i] for i in parts[part]}
        near[part] |= grouped.marks(parts[part])
    seen["train"] |= also.digests
    near["train"] |= also.marks
    finish_run(run, bundle, metrics, seen, near)
    return metrics


def write_run_report(run: RunFolder, notify: Notify = mute) -> Path | None:
    """Write `report.html` of a finished run; if that fails, notify why: the run is complete without it.

    An existing report is kept.
    """
    if run.report.is_file():
        return run.report
    from moodfuse.workflows.reporting import write_last_report

    return write_last_report(run.path, notify)


def _withheld(bundle: Bundle, test: Evaluation, groups: Groups, progress: Progress) -> dict[Modality, Evaluation]:
    """Score the same model given each of its modalities alone, if it reads two."""
    predictor, read = Predictor(bundle), bundle.manifest.modalities
    return {
        m: evaluate_posts(predictor, test.posts, groups=groups, only=m, progress=progress)
        for m in (read if len(read) > 1 else ())
    }


def _confusion(bundle: Bundle, test: Evaluation, alone: dict[Modality, Evaluation]) -> dict[str, Confusion]:
    """Count the answers to the test posts, as they are and given one modality alone."""
    parts: dict[str, Evaluation] = {used_name(bundle.manifest.modalities): test}
    parts |= {str(modality): evaluation for modality, evaluation in alone.items()}
    true = [bundle.labels.id(str(label)) for label in test.posts.labels]
    return count_answers(
        true, {used: [list(p.probabilities.values()) for p in part.predictions] for used, part in parts.items()}
    )


def _alone_scores(alone: dict[Modality, Evaluation]) -> dict[str, EstimatedScores]:
    return {f"test_{modality}_only": evaluation.scores for modality, evaluation in alone.items()}


def _columns(alone: dict[Modality, Evaluation], test: Evaluation) -> list[dict[str, str]]:
    return [
        {f"{m}_only": evaluation.predictions[i].label for m, evaluation in alone.items()}
        for i in range(len(test.posts))
    ]


class _Log:
    """Writes lines to the run's log and shows them."""

    def __init__(self, run: RunFolder, notify: Notify) -> None:
        self._path = run.log
        self._notify = notify

    def __call__(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._notify(line)


def _fixed_split(
    run: RunFolder, posts: Posts, config: Config, groups: Groups, split_file: Path | None, log: Notify
) -> Split:
    if run.split.is_file():
        split = Split.load(run.split)
    else:
        split = (
            read_split(split_file, posts)
            if split_file
            else split_as(posts, config.split, groups, Labels(config.labels))
        )
        split.save(run.split)
    log(
        f"{len(posts)} labelled posts in {len(groups)} groups of near-duplicates: {len(split.train_ids)} train, "
        f"{len(split.validation_ids)} validate, {len(split.test_ids) or 'none'} test"
    )
    if split_file and (across := straddling(groups, split.parts)):
        log(
            f"warning: {len(across)} groups of near-duplicates ({sum(map(len, across))} posts) are on several sides "
            "of the given split; the scores are too high, because the model has seen copies of posts"
        )
    return split


def _calibrate(
    bundle: Bundle, validation: Posts, groups: Groups, progress: Progress
) -> tuple[Bundle, ValidationScores]:
    """Fit temperature and review threshold on the validation posts; return the bundle and the validation scores."""
    predictor = Predictor(bundle)
    true = np.array([predictor.labels.id(str(label)) for label in validation.labels])
    raw = run_predictor(predictor, validation, progress, "calibrating")
    logits = logits_of([list(p.probabilities.values()) for p in raw])
    temperature = fit_temperature(logits, true)
    temperatures = {}
    for m in predictor.manifest.modalities if len(predictor.manifest.modalities) > 1 else ():
        alone = run_predictor(predictor, validation, progress, f"calibrating on the {m}", only=m)
        temperatures[m] = fit_temperature(logits_of([list(p.probabilities.values()) for p in alone]), true)
    # The answers of the calibrated predictor, without a second run: the same logits, divided by the temperature.
    by_used = {frozenset({m}): value for m, value in temperatures.items()}
    divisors = np.array([by_used.get(prediction.used, temperature) for prediction in raw])[:, None]
    result = [
        rescaled(prediction, row) if prediction.used else prediction
        for prediction, row in zip(raw, softmax(logits / divisors), strict=True)
    ]
    correct = [prediction.label == post.label for prediction, post in zip(result, validation, strict=True)]
    review = review_threshold([prediction.confidence for prediction in result], correct)
    bundle = update_manifest(
        bundle, temperature=temperature, temperatures=temperatures, review_threshold=review.threshold
    )
    scores = score_predictions(validation, result, predictor.labels, groups)
    return bundle, ValidationScores(**scores.as_json(), review=ReviewShares(**asdict(review)))


def rescaled(prediction: Prediction, probabilities: np.ndarray) -> Prediction:
    """Return the prediction with other probabilities (C,) that rank the classes in the same order."""
    named = dict(zip(prediction.probabilities, map(float, probabilities), strict=True))
    return replace(prediction, probabilities=named, confidence=max(named.values()))


def _protocol(split: Split, groups: Groups) -> Protocol:
    return Protocol(
        test="held out: looked at once, through the finished bundle" if split.test_ids else VALIDATION_ONLY,
        validation="chose the best epoch, the temperature and the review threshold: not a score to report",
        intervals="95 %, percentile bootstrap over groups of near-duplicates, 2,000 resamples",
        split_sha256=split.sha256,
        split_origin=split.origin,
        train=len(split.train_ids),
        validates=len(split.validation_ids),
        held_out=len(split.test_ids),
        duplicate_groups_across=len(straddling(groups, split.parts)),
    )
