"""The last step of a training: a bundle gets its scores, its card and its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moodfuse import files
from moodfuse.config import Config
from moodfuse.records.environment import Environment
from moodfuse.records.metrics import BundleFacts, RunMetrics, TrainingFacts
from moodfuse.records.record import read_record, write_record
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import Bundle, add_file, update_manifest
from moodfuse.workflows.evaluation import SEEN
from moodfuse.workflows.model_card import model_card

if TYPE_CHECKING:
    from moodfuse.learn.pipeline import Trained


def training_facts(config: Config, trained: Trained) -> TrainingFacts:
    """Return what `metrics.json` and the manifest say of a training."""
    return TrainingFacts(
        fusion=config.model.fusion,
        regime=config.train.regime,
        seed=config.seed,
        best_epoch=trained.fit.best_epoch + 1,
        epochs=len(trained.fit.history),
        parameters=trained.fit.parameters,
    )


def bundle_facts(bundle: Bundle) -> BundleFacts:
    """Return what `metrics.json` says of a calibrated bundle."""
    return BundleFacts(temperature=bundle.manifest.temperature, parity=bundle.manifest.parity)


def finish_run(run: RunFolder, bundle: Bundle, metrics: RunMetrics, seen: dict[str, list[str]]) -> None:
    """Put scores, card and digests of the posts `seen` into a bundle; put bundle and metrics into the run's folder."""
    environment = read_record(run.environment, Environment)
    facts = {"data_sha256": environment.data_sha256, "posts": metrics.protocol.train}
    bundle = update_manifest(
        bundle,
        training={**metrics.training.as_json(), **facts},
        scores={"test": metrics.test.as_json(), "protocol": metrics.protocol.as_json()},
    )
    bundle = add_file(bundle, SEEN, json.dumps(seen))
    bundle = add_file(bundle, "MODEL_CARD.md", model_card(bundle.manifest, metrics))
    files.move_folder(bundle.folder, run.bundle)
    write_record(run.metrics, metrics)
