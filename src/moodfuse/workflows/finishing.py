"""The last step of a training: a bundle gets its scores, its card and its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moodfuse import files
from moodfuse.config import Config
from moodfuse.records.run import RunFolder
from moodfuse.runtime.bundle import Bundle, add_file, update_manifest
from moodfuse.workflows.evaluation import SEEN
from moodfuse.workflows.model_card import model_card

if TYPE_CHECKING:
    from moodfuse.learn.pipeline import Trained


def training_facts(config: Config, trained: Trained) -> dict[str, Any]:
    """Return what `metrics.json` and the manifest say of a training."""
    return {
        "fusion": config.model.fusion,
        "regime": config.train.regime,
        "seed": config.seed,
        "best_epoch": trained.fit.best_epoch + 1,
        "epochs": len(trained.fit.history),
        "parameters": trained.fit.parameters,
    }


def finish_bundle(bundle: Bundle, run: RunFolder, metrics: dict[str, Any], seen: dict[str, list[str]]) -> None:
    """Put scores, card and digests of the posts `seen` into a bundle, and the bundle into its run's folder."""
    environment = json.loads(run.environment.read_text("utf-8"))
    bundle = update_manifest(
        bundle,
        training=metrics["training"]
        | {"data_sha256": environment["data_sha256"], "posts": metrics["protocol"]["train"]},
        scores={key: metrics[key] for key in ("test", "protocol")},
    )
    bundle = add_file(bundle, SEEN, json.dumps(seen))
    bundle = add_file(bundle, "MODEL_CARD.md", model_card(bundle.manifest))
    files.move_folder(bundle.folder, run.bundle)
