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
from moodfuse.learn.fit.checkpoints import SUFFIX, kept_checkpoint, load_model_state, save_model_state
from moodfuse.learn.fit.history import Hooks
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.learn.stages import stage_config
from moodfuse.learn.tuned import tuned_source
from moodfuse.progress import Progress, silent
from moodfuse.records.cells import STAGE_HISTORY, stages_folder
from moodfuse.records.claim import claims_folder


@dataclass(frozen=True, slots=True)
class CellStages:
    """Opens the modalities of a cell's model; an encoder with a stage is tuned on the cell's training posts first.

    The stage has the settings of `config`, whatever a search draws for the fusion. It is kept in `folder`, the
    comparison's or search's, under a digest of its settings and the name of the cell, and continues there if it was
    interrupted. `rows` are the cell's rows of `targets` and `features`. If another process is at the stage,
    `filelock.Timeout` is raised after `wait` seconds (-1: never), so that a worker can take other cells.
    """

    folder: Path
    cell: str
    config: Config
    targets: Sequence[int]
    rows: Mapping[str, Sequence[int]]
    features: FeatureFolder
    also: Sequence[Pool] = ()
    progress: Progress = silent
    wait: float = 0

    def __call__(self, drawn: Config) -> Mapping[Modality, OpenModality]:
        if self.config.train.regime != "two_stage":
            return self.features(drawn)
        sources = encoder_sources(drawn)
        for modality in self.config.train.tune:
            if modality in sources:
                sources[modality] = self._tuned(sources[modality])
        return self.features(drawn, sources)

    def _tuned(self, source: EncoderSource) -> EncoderSource:
        stage = stage_config(self.config, source.modality)
        name = _stage_name(stage, source.modality)
        place = stages_folder(self.folder) / name / self.cell
        kept = place / kept_checkpoint(stage.train)
        lock = claims_folder(self.folder) / f"stage-{name}-{self.cell}.lock"
        with FileLock(lock, timeout=self.wait):
            if not (place / STAGE_HISTORY).is_file() or not kept.is_file():
                data = TrainingData(
                    self.targets, self.features(stage), self.rows["train"], self.rows["validation"], self.also
                )
                _, result = fit_parts(data, stage, place, Hooks(progress=self.progress))
                files.write_csv(place / STAGE_HISTORY, result.history)  # now the stage is whole
                save_model_state(kept, load_model_state(kept))  # without the optimiser's state, twice as large
                if (last := place / f"last{SUFFIX}") != kept:
                    last.unlink(missing_ok=True)
        return tuned_source(source, kept, stage.labels)


def tuned_in_cell(folder: Path, config: Config, cell: str) -> dict[Modality, Path]:
    """Return the folders of the encoders that a cell of a comparison in `folder` tuned for `config`, if still there."""
    found: dict[Modality, Path] = {}
    for modality in config.train.tune if config.train.regime == "two_stage" else ():
        stage = stage_config(config, modality)
        place = stages_folder(folder) / _stage_name(stage, modality) / cell
        if (place / STAGE_HISTORY).is_file() and (place / kept_checkpoint(stage.train)).is_file():
            found[modality] = place
    return found


def _stage_name(stage: Config, modality: Modality) -> str:
    return f"{modality}-{hashlib.sha256(stage.to_yaml().encode()).hexdigest()[:12]}"
