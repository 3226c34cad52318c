"""The folder of a run: `runs/NAME/`, its files, and whether a run may continue there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moodfuse import files
from moodfuse.config import Config, Modality
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.records.claim import Claim
from moodfuse.records.configuration import StoredConfig
from moodfuse.records.environment import Environment, describe_environment
from moodfuse.records.metrics import EstimatedScores, RunMetrics
from moodfuse.records.record import read_record, write_record
from moodfuse.records.tolerant import Folder, real
from moodfuse.settings import build_config, load_yaml
from moodfuse.staging import sweep


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def split(self) -> Path:
        return self.path / "split.json"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    def stage_history(self, stage: str) -> Path:
        """Return the history file of a stage; the empty name is the model itself."""
        return self.path / f"history-{stage}.csv" if stage else self.history

    def stages(self) -> list[str]:
        """Return the stages that have a history file, the model itself first."""
        names = [path.stem.removeprefix("history-") for path in sorted(self.path.glob("history-*.csv"))]
        return ["", *names]

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def stage(self, modality: Modality) -> Path:
        """Return the checkpoints of the stage that fine-tunes a modality's encoder."""
        return self.checkpoints / f"stage-{modality}"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.csv"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def bundle(self) -> Path:
        return self.path / "bundle"

    @property
    def unfinished(self) -> Path:
        """The bundle until it is calibrated and scored: nobody must take it for a finished bundle."""
        return self.path / "bundle.unfinished"

    @property
    def cross_validation(self) -> Claim:
        """The comparison of a single model, within the folder of a run that trains on every post."""
        return Claim("comparison", self.path, "cross-validation")

    @property
    def finished(self) -> bool:
        """Whether training, export and evaluation have all ended."""
        return self.metrics.is_file() and (self.bundle / "manifest.json").is_file()


def open_run(claim: Claim, config: Config, data_hash: str, source: str = "") -> RunFolder:
    """Make the run's folder, or continue in it if it has the same configuration and data; `source` is recorded.

    The caller holds `working_alone`: files are replaced, and half-written files removed. Raises `ConfigError` if the
    run has another configuration, `DataError` if it has other posts.
    """
    run = RunFolder(claim.folder)
    if not run.split.is_file():  # nothing was fitted yet: a run that failed before may come back corrected
        claim.refuse_foreign({run.config.name, run.environment.name, run.log.name})
        write_record(run.environment, describe_environment(data_hash, source))
        files.write_text(run.config, config.to_yaml())
        return run
    if not run.finished:
        sweep(run.path)
    there = build_config([load_yaml(run.config)])
    claim.check_settings(StoredConfig.from_config(there).flat(), StoredConfig.from_config(config).flat())
    known = read_record(run.environment, Environment).data_sha256
    claim.check_posts(known, data_hash, "posts or on another --split")
    return run


@dataclass(frozen=True, slots=True)
class HeldOutPost:
    """A held-out post: its label, the predicted label, and the confidence."""

    id: str
    label: str
    predicted: str
    confidence: float | None
    status: str

    @property
    def right(self) -> bool:
        return self.label == self.predicted


@dataclass(frozen=True, slots=True)
class Run:
    """The content of a run's folder; empty or `None` for missing files.

    `histories` has a row per epoch for each stage before the model, and under the empty name for the model itself.
    """

    path: Path
    config: StoredConfig
    metrics: RunMetrics | None
    predictions: list[HeldOutPost]
    histories: dict[str, list[dict[str, float]]]
    environment: Environment | None
    split: Split | None
    missing: list[str]

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.path)

    @property
    def test(self) -> EstimatedScores | None:
        """The scores on the held-out posts."""
        return self.metrics.test if self.metrics else None

    @property
    def scored(self) -> EstimatedScores | None:
        """The scores on the held-out posts or, if no post was held out for a test, on the validation posts."""
        return self.metrics.scored if self.metrics else None

    @property
    def scored_posts(self) -> str:
        """What the posts of `scored` and `predictions` are called."""
        return "validation posts" if self.metrics and not self.metrics.test else "held-out posts"

    @property
    def alone(self) -> dict[str, EstimatedScores]:
        """The scores of the same model given one modality alone, by modality; empty for a model of one modality."""
        return self.metrics.alone if self.metrics else {}

    @property
    def labels(self) -> list[str]:
        return list(self.scored.per_class) if self.scored else self.config.labels

    @property
    def on_all(self) -> bool:
        """Whether every post trained the model: the scores are then the cross-validation of its recipe."""
        return not self.config.holds_out

    @property
    def wrong(self) -> list[HeldOutPost]:
        """The held-out posts that the model gets wrong, the most confident first."""
        wrong = [post for post in self.predictions if not post.right]
        return sorted(wrong, key=lambda post: (-(post.confidence or 0.0), post.id))


def is_run(folder: Path) -> bool:
    """Return whether `folder` is a run, finished or not."""
    run = RunFolder(folder)
    return run.config.is_file() and run.environment.is_file()


def has_trained_encoders(folder: Path) -> bool:
    """Return whether `folder` holds a run's checkpoints, whose encoders another configuration may name."""
    run = RunFolder(folder)
    return run.config.is_file() and run.checkpoints.is_dir()


def borrowed_runs(config: Config) -> list[RunFolder]:
    """Return the runs whose encoders a configuration names, sorted by path."""
    names = {*config.model.encoders("text"), *config.model.encoders("image")}
    return [RunFolder(Path(name)) for name in sorted(names) if has_trained_encoders(Path(name))]


def read_run(path: Path) -> Run:
    """Read the files of a run's folder; `missing` lists those that are absent or damaged."""
    run, folder = RunFolder(path), Folder(path)
    return Run(
        path=path,
        histories={
            stage: folder.history(run.stage_history(stage).name, "" if stage else "the curves of training")
            for stage in run.stages()
        },
        config=folder.config(run.config.name, "the configuration"),
        metrics=folder.record(run.metrics.name, RunMetrics, "scores"),
        predictions=_tested(folder.rows(run.predictions.name, _TESTED, "predictions of single posts")),
        environment=folder.record(run.environment.name, Environment, "the environment"),
        split=_split(folder, run.split),
        missing=folder.missing,
    )


_TESTED = ("id", "label", "predicted")  # the columns that `predictions.csv` must have


def _tested(rows: list[dict[str, str]]) -> list[HeldOutPost]:
    return [
        HeldOutPost(row["id"], row["label"], row["predicted"], real(row.get("confidence")), row.get("status", ""))
        for row in rows
    ]


def _split(folder: Folder, path: Path) -> Split | None:
    try:
        return Split.load(path)
    except DataError:
        folder.missing.append(f"{path.name} is missing or incomplete: the split cannot be shown.")
        return None
