"""Compare models on the same posts and folds, cell by cell, with tested verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodfuse.config import Config
from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.formats.base import TRAINING, Reading
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split, make_split, split_as
from moodfuse.errors import ConfigError, DataError
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress, mute, silent
from moodfuse.records.cells import FORMAT
from moodfuse.records.claim import Claim
from moodfuse.records.comparison import open_comparison
from moodfuse.records.environment import describe_environment
from moodfuse.records.plan import ComparedPosts, ComparisonPlan
from moodfuse.records.results import ArmRow, ComparisonResults, VerdictRow
from moodfuse.workflows.comparison.cells import forget_tuned, run_missing
from moodfuse.workflows.comparison.damage import damage
from moodfuse.workflows.comparison.judging import Judge, ask_judge, check_sending, tested_posts, with_judge
from moodfuse.workflows.comparison.results import build_results
from moodfuse.workflows.corpora import ReadCorpora, read_corpora
from moodfuse.workflows.extras import require_training
from moodfuse.workflows.groups import cached_groups
from moodfuse.workflows.labelled_posts import labelled_posts
from moodfuse.workflows.leaks import check_borrowed

if TYPE_CHECKING:
    from moodfuse.learn.compare.models import ComparedModel

_FOLDS = (10, 8, 6)  # folds of the split; pairs of folds make five, four or three cells


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is run: seeds of each cell, cells, trials that tune a cell (0: none), and tests on damaged posts.

    `workers` processes share the cells (`None`: as many as cores). `keep_tuned` leaves the encoders that cells have
    tuned on disk, for another training on the same posts.
    """

    seeds: int = 3
    folds: int = 5
    trials: int = 0
    robustness: bool = False
    workers: int | None = None
    keep_tuned: bool = False

    def __post_init__(self) -> None:
        least = (("--seeds", self.seeds, 1), ("--trials", self.trials, 0), ("--workers", self.workers or 1, 1))
        for flag, value, smallest in least:
            if value < smallest:
                raise ConfigError(f"{flag}: expected {smallest} or more, found {value}")


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """A comparison: its folder, and its `results.json`, which docs/comparison.md describes."""

    path: Path
    results: ComparisonResults

    @property
    def headlines(self) -> list[str]:
        """The most important verdicts, as sentences."""
        return self.results.headlines

    @property
    def rows(self) -> list[ArmRow]:
        """Each arm's scores with intervals, seconds and parameters."""
        return self.results.rows

    @property
    def verdicts(self) -> list[VerdictRow]:
        """The tested differences that are reported, as numbers and sentences."""
        return self.results.verdicts


def compare(
    posts: Any,
    *,
    fusions: Sequence[str] = ("all",),
    seeds: int = 3,
    folds: int = 5,
    trials: int = 0,
    name: str = "comparison",
    comparisons: Path = Path("comparisons"),
    overrides: Sequence[Mapping[str, Any]] = (),
    reading: Reading = TRAINING,
    workers: int | None = None,
    robustness: bool = False,
    vary: Mapping[str, Mapping[str, Sequence[Any]]] | None = None,
    judge: Judge | None = None,
    progress: Progress = silent,
    notify: Notify = mute,
) -> ComparisonResult:
    """Train and test each of `fusions` on the same cells of `posts`, and test which differences are significant.

    `posts`: `Posts`, or a source for `read_posts`, read as `reading` says. `fusions`: names of fusions or recipes, or
    all, pooled, tokens.
    `seeds`: trainings of each cell. `folds`: how many of the five cells to run, at most. `trials` above 0 tunes each
    cell inside its training folds. `vary` adds recipes or fusions with each combination of settings, such as
    `{"gated": {"model.options.gate": ["image", "text"]}}`. `judge` adds a model behind an endpoint as one more row.
    Each finished cell is written to the folder `comparisons/name`, and the same call again continues an interrupted
    comparison. `workers` processes (`None`: as many as cores) each run a cell on one thread; with several workers, a
    script needs `if __name__ == "__main__":`, as for any use of multiprocessing. Raises `ConfigError` for unknown names
    and for a folder that holds another comparison, `DataError` for posts that cannot be divided into the cells.
    With `split.validation` in `overrides` there is one cell without test posts, and the results say so; `split.folds`
    of 6 makes three cells, which test every post.
    """
    require_training()
    from moodfuse.learn.compare.models import choose_models, vary_model

    if not 2 <= folds <= 5:
        raise ConfigError(
            "--folds: expected 2 to 5, how many of the five cells to run (each tests a fifth of the posts), "
            f"found {folds}"
        )
    effort = Effort(seeds, folds, trials, robustness, workers)
    varied = [model for name, axes in (vary or {}).items() for model in vary_model(name, axes, overrides)]
    models = [*(choose_models(fusions, overrides) if fusions or not varied else []), *varied]
    if not isinstance(posts, Posts):
        posts = read_posts(posts, reading, labels=Labels(models[0].config.labels))
    claim = Claim("comparison", comparisons, name)
    return compare_models(models, posts, effort, claim, judge=judge, progress=progress, notify=notify)


def compare_models(
    models: Sequence[ComparedModel],
    posts: Posts,
    effort: Effort,
    claim: Claim,
    *,
    also: ReadCorpora | None = None,
    judge: Judge | None = None,
    progress: Progress = silent,
    notify: Notify = mute,
) -> ComparisonResult:
    """Compare models with resolved configurations, in the claimed folder; everything else is as in `compare`.

    `also` are the corpora of `data.also_train`, if they have been read before.
    """
    from moodfuse.learn.assembly import check_posts

    config = models[0].config
    check_fold_count(config)
    _check_validation(models)
    workers = _workers_beside_devices(config, effort.workers)
    labels = Labels(config.labels)
    labelled = labelled_posts(posts, notify)
    digests = post_digests(labelled)
    also = also or read_corpora(config, labelled, digests, progress, notify)
    for model in models:
        check_posts(labelled, also.corpora.posts, model.config)
    data_hash = data_sha256(labelled, digests, also.sha256)
    groups = cached_groups(labelled, data_hash, progress)
    check_borrowed(config, digests, groups)
    effort = replace(effort, folds=min(effort.folds, 1 if config.split.validation else config.split.folds // 2))
    if config.split.validation:
        split = split_as(labelled, config.split, groups, labels)
    else:
        count, seed = config.split.folds, config.split.seed
        split = make_split(labelled, folds=count, seed=seed, groups=groups, labels=labels, settable=False)
        check_cells(labelled, split, effort.folds, labels)
    plan = _plan(claim.name, _compared_posts(labelled, len(posts), data_hash, labels, also), models, effort)
    if judge is not None:
        check_sending(judge, claim.folder, tested_posts(labelled, split, effort.folds), digests)
        plan = with_judge(plan, judge.planned(labels))
    comparison = open_comparison(claim, plan, split, groups)
    if judge is not None:  # first: what is wrong with it is known before hours of training
        ask_judge(comparison, judge, labelled, digests, progress, notify)
    run_missing(comparison, labelled, also, models, workers, progress, notify)
    if not effort.keep_tuned:
        forget_tuned(comparison)
    results = build_results(comparison)
    if effort.robustness and not comparison.robustness.is_file():
        damage(comparison, labelled, models, results, progress, notify)
        results = build_results(comparison)
    return ComparisonResult(comparison.path, results)


def check_fold_count(config: Config, counts: Sequence[int] = _FOLDS) -> None:
    """Raise `ConfigError` if the folds of the split are none of `counts`: pairs of them make the cells."""
    if config.split.folds not in counts:
        fewer = "; 8 make four and 6 make three, which test every post too" if len(counts) > 1 else ""
        raise ConfigError(
            f"split.folds: expected 10, which make the five cells of a comparison, found {config.split.folds}{fewer}; "
            "--folds sets how many of the cells to run"
        )


def _check_validation(models: Sequence[ComparedModel]) -> None:
    """Raise `ConfigError` if the posts that validate are all that scores, and a model chooses nothing on them."""
    for model in models:
        if model.config.split.validation and model.config.train.monitor == "none":
            raise ConfigError(
                f"{model.name}: split.validation leaves no test posts, and train.monitor=none nothing that the "
                "validation posts choose; leave split.validation out"
            )


def _workers_beside_devices(config: Config, workers: int | None) -> int | None:
    """Return how many cells run at once: 1 if a cell trains on several devices."""
    from moodfuse.learn.fit.devices import check_device

    check_device(config.train.device, config.train.devices)
    if config.train.devices == 1:
        return workers
    if workers and workers > 1:
        raise ConfigError(
            f"train.devices={config.train.devices} trains a cell in several processes, --workers={workers} runs "
            "several cells at once: set only one of the two"
        )
    return 1


def check_cells(posts: Posts, split: Split, folds: int, labels: Labels) -> None:
    """Raise `DataError` if a cell would train without any post of some label, which it could then never predict."""
    from moodfuse.learn.compare.work import fold_parts

    label = dict(zip(posts.ids, posts.labels, strict=True))
    for cell in range(folds):
        seen = {label[i] for i in fold_parts(split.folds, cell)["train"]}
        if lacking := [name for name in labels.names if name not in seen]:
            count = Counter(posts.labels)[lacking[0]]
            raise DataError(
                f"{posts.source}: label {lacking[0]!r}: all its {count} posts would be tested or validated on in cell "
                f"{cell}, none trained on; add posts with this label, or remove it from `labels`"
            )


def _compared_posts(posts: Posts, given: int, data_hash: str, labels: Labels, also: ReadCorpora) -> ComparedPosts:
    counts = Counter(str(label) for label in posts.labels)
    return ComparedPosts(
        source=str(posts.source),
        sha256=data_hash,
        posts=len(posts),
        unlabelled=given - len(posts),
        classes={label: counts[label] for label in labels.names},
        also_train=list(also.facts),
    )


def _plan(name: str, posts: ComparedPosts, models: Sequence[ComparedModel], effort: Effort) -> ComparisonPlan:
    config = models[0].config
    return ComparisonPlan(
        format=FORMAT,
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data=posts,
        labels=list(config.labels),
        seeds=list(range(config.seed, config.seed + effort.seeds)),
        folds=effort.folds,
        trials=effort.trials,
        models=[model.planned() for model in models],
        arms=[arm for model in models for arm in model.arms()],
        environment=describe_environment(posts.sha256),
    )
