"""The run folder: `runs/NAME/`, what is in it, and whether a run may go on there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodfuse import files
from moodfuse.config import Config, build_config, load_yaml
from moodfuse.errors import ConfigError, DataError, TrainingError
from moodfuse.records.environment import describe_environment


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

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
        """Return where a stage's epochs go; the empty name is the model itself."""
        return self.path / f"history-{stage}.csv" if stage else self.history

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
    def finished(self) -> bool:
        """Whether training, export and evaluation have all ended."""
        return self.metrics.is_file() and (self.bundle / "manifest.json").is_file()


@contextmanager
def claimed(run: RunFolder) -> Iterator[None]:
    """Keep other trainings out of a run's folder. Raises `TrainingError` where one is at work there already."""
    from filelock import FileLock, Timeout  # a training's dependency, not a report's

    # Beside the run, whose folder holds what a run leaves and nothing else.
    lock = FileLock(files.make_folder(run.path.parent / ".claims") / f"{run.path.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TrainingError(
            f"{run.path}: another training is at work there; wait for it to end, or choose another --name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def open_run(runs: Path, name: str, config: Config, data_hash: str, source: str = "") -> RunFolder:
    """Make the run's folder, or go on in it where it holds the same configuration and data, read from `source`.

    Raises `ConfigError` where it holds another configuration, `DataError` where it holds other posts.
    """
    if not re.fullmatch(r"[\w][\w.+-]{0,99}", name):
        raise ConfigError(
            f"--name: expected up to 100 letters, digits, '-', '_', '.' or '+', found {name[:120]!r}; name another"
        )
    run = RunFolder(runs / name)
    if not run.split.is_file():  # nothing has been fitted there: what failed before may come again, mended
        _claim(run, config, data_hash, source)
        return run
    if not run.finished:
        files.sweep(run.path)
    before = build_config([load_yaml(run.config)])
    if before != config:
        old, new = _flat(before.model_dump()), _flat(config.model_dump())
        changed = [f"{key}: {old.get(key)!r} there, {new[key]!r} now" for key in new if old.get(key) != new[key]]
        raise ConfigError(
            f"{run.path}: holds a run with another configuration ({'; '.join(changed[:3])}); "
            "give this one another --name, or delete that folder"
        )
    if json.loads(run.environment.read_text("utf-8"))["data_sha256"] != data_hash:
        raise DataError(
            f"{run.path}: holds a run on other posts or on another --split; give this one another --name, or delete "
            "that folder"
        )
    return run


def _claim(run: RunFolder, config: Config, data_hash: str, source: str) -> None:
    files.make_folder(run.path)
    ours = {run.config.name, run.environment.name, run.log.name}
    if foreign := sorted(e.name for e in run.path.iterdir() if e.name not in ours and not e.name.startswith(".")):
        raise ConfigError(
            f"{run.path}: expected a run of moodfuse or a new folder, found one with {foreign[0]}; give this run "
            "another --name, or another folder with --runs"
        )
    files.write_json(run.environment, describe_environment(data_hash, source))
    files.write_text(run.config, config.to_yaml())


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else {prefix + key: item}
    return flat
