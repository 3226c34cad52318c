"""The last step of a training: the bundle gets its scores and model card, and moves to the run's folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moodfuse import files
from moodfuse.config import Config
from moodfuse.records.environment import Environment
from moodfuse.records.metrics import BundleFacts, RunMetrics, TrainingFacts
from moodfuse.records.record import read_record, write_record
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import CARD, Bundle, add_file, update_manifest, vouch
from moodfuse.settings import load_yaml
from moodfuse.workflows.evaluation import NEAR, SEEN
from moodfuse.workflows.model_card import model_card

if TYPE_CHECKING:
    from moodfuse.learn.pipeline import Trained


def training_facts(config: Config, trained: Trained) -> TrainingFacts:
    """Return the facts of a training for `metrics.json` and the manifest."""
    return TrainingFacts(
        fusion=config.model.fusion,
        regime=config.train.regime,
        seed=config.seed,
        best_epoch=trained.fit.best_epoch + 1,
        epochs=len(trained.fit.history),
        parameters=trained.fit.parameters,
    )


def bundle_facts(bundle: Bundle) -> BundleFacts:
    """Return the facts of a calibrated bundle for `metrics.json`."""
    return BundleFacts(temperature=bundle.manifest.temperature, parity=bundle.manifest.parity)


def finish_run(
    run: RunFolder, bundle: Bundle, metrics: RunMetrics, seen: dict[str, set[str]], near: dict[str, set[str]]
) -> None:
    """Add scores, card and what is kept of the seen posts to a bundle; move it and the metrics to the run's folder.

    `seen` are the digests of those posts by part, `near` their marks.
    """
    environment = read_record(run.environment, Environment)
    facts = {
        "data_sha256": environment.data_sha256,
        "posts": metrics.protocol.train,
        "configuration": load_yaml(run.config),  # complete, so that the bundle alone can be trained again
    }
    bundle = update_manifest(
        bundle,
        training={**metrics.training.as_json(), **facts},
        scores={
            "test" if metrics.test else "validation": metrics.scored.as_json(),
            "protocol": metrics.protocol.as_json(),
        },
    )
    for name, kept in ((SEEN, seen), (NEAR, near)):
        bundle = add_file(bundle, name, json.dumps({part: sorted(values) for part, values in kept.items()}))
    bundle = add_file(bundle, CARD, model_card(bundle.manifest, metrics))
    files.move_folder(bundle.folder, run.bundle)
    vouch(Bundle(run.bundle, bundle.manifest))
    write_record(run.metrics, metrics)
