"""Two-stage training in cells: each encoder is tuned once a cell, and every model with the same stage shares it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from moodfuse import files
from moodfuse.config import Config, Modality
from moodfuse.data.corpora import Pool
from moodfuse.learn.assembly import OpenModality, encoder_sources
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.feature_folder import FeatureFolder
from moodfuse.learn.fit.checkpoints import SUFFIX, kept_checkpoint
from moodfuse.learn.fit.history import Hooks
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.learn.stages import stage_config
from moodfuse.learn.tuned import tuned_source
from moodfuse.progress import Progress, silent
from moodfuse.records.claim import claims_folder

_HISTORY = "history.csv"  # written last: the stage is whole


@dataclass(frozen=True, slots=True)
class CellStages:
    """Opens the modalities of a cell's models; an encoder with a stage is tuned on the cell's training posts first.

    A stage is kept in `folder`, the comparison's or search's, under a digest of its settings and the name of the cell,
    and an interrupted stage continues there. `rows` are the cell's rows of `targets` and `features`. If another process
    is at a stage, `filelock.Timeout` is raised after `wait` seconds (-1: never), so that a worker can take other cells.
    """

    folder: Path
    cell: str
    targets: Sequence[int]
    rows: Mapping[str, Sequence[int]]
    features: FeatureFolder
    also: Sequence[Pool] = ()
    progress: Progress = silent
    wait: float = 0

    def __call__(self, config: Config) -> Mapping[Modality, OpenModality]:
        if config.train.regime != "two_stage":
            return self.features(config)
        sources = encoder_sources(config)
        for modality in config.train.tune:
            if modality in sources:
                sources[modality] = self._tuned(sources[modality], config)
        return self.features(config, sources)

    def _tuned(self, source: EncoderSource, config: Config) -> EncoderSource:
        stage = stage_config(config, source.modality)
        digest = hashlib.sha256(stage.to_yaml().encode()).hexdigest()[:12]
        place = self.folder / "stages" / f"{source.modality}-{digest}" / self.cell
        kept = place / kept_checkpoint(stage.train)
        lock = claims_folder(self.folder) / f"stage-{source.modality}-{digest}-{self.cell}.lock"
        with FileLock(lock, timeout=self.wait):
            if not (place / _HISTORY).is_file():
                data = TrainingData(
                    self.targets, self.features(stage), self.rows["train"], self.rows["validation"], self.also
                )
                _, result = fit_parts(data, stage, place, Hooks(progress=self.progress))
                files.write_csv(place / _HISTORY, result.history)
                if (last := place / f"last{SUFFIX}") != kept:
                    last.unlink(missing_ok=True)  # no training continues from it any more
        return tuned_source(source, kept, config.labels)
