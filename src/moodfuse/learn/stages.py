"""Two-stage training: each encoder is fine-tuned alone, then frozen, then the fusion learns, all on one split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moodfuse import files
from moodfuse.config import Config, Modality
from moodfuse.data.corpora import NO_CORPORA, Corpora
from moodfuse.data.posts import Posts
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.fit.checkpoints import kept_checkpoint
from moodfuse.learn.fit.history import Hooks
from moodfuse.learn.parts import fit_parts, open_data
from moodfuse.learn.tuned import tuned_source
from moodfuse.progress import Progress
from moodfuse.records.cells import STAGE_HISTORY
from moodfuse.records.run import RunFolder


def stage_config(config: Config, modality: Modality) -> Config:
    """Return the configuration that fine-tunes a modality's encoder with its own linear head.

    With a learning rate of its own, the head has it too, so that systems with other rates share the tuned encoder. The
    explicit L2 term is of the fusion alone.
    """
    rate = config.optim.own_lr(modality) or config.optim.lr
    alone: dict[str, object] = {"fusion": modality, "options": {}, "auxiliary": 0.0, "one_modality": "fusion"}
    return config.model_copy(
        update={
            "model": config.model.model_copy(update=alone),
            "optim": config.optim.model_copy(update={"lr": rate, "l2": 0.0}),
            "train": config.train.model_copy(
                update={
                    "regime": "end_to_end",
                    "tune": (modality,),
                    "epochs": config.train.own_epochs(modality),
                    "text_epochs": None,
                    "image_epochs": None,
                    "batch_size": config.train.stage_batch_size,
                }
            ),
        }
    )


def tune_encoders(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    run: RunFolder,
    hooks: Callable[[Modality], Hooks],
    corpora: Corpora = NO_CORPORA,
    tuned: Mapping[Modality, Path] | None = None,
) -> dict[Modality, EncoderSource]:
    """Fine-tune each encoder in `train.tune` on `parts["train"]` and choose its best state on `parts["validation"]`.

    Returns the sources of all modalities that the fusion reads; a tuned source replaces its base. Checkpoints go to
    `run.stage(modality)`; an encoder that is tuned already is not tuned again. `hooks` returns a stage's callbacks.
    `tuned` are folders of the same stages on the same parts, of a comparison: their encoders are copied, not tuned.
    """
    sources = encoder_sources(config)
    for modality in config.train.tune:
        if modality not in sources:
            continue
        stage, place, told = stage_config(config, modality), run.stage(modality), hooks(modality)
        kept = place / kept_checkpoint(stage.train)
        if there := (tuned or {}).get(modality):
            files.write_bytes(run.stage_history(modality), (there / STAGE_HISTORY).read_bytes())
            files.write_bytes(files.make_folder(place) / kept.name, (there / kept.name).read_bytes())
        else:
            data = open_data(posts, parts, stage, told.progress, corpora=corpora)
            fit_parts(data, stage, place, Hooks(told.save_history, _of_stage(modality, told.progress)))
        sources[modality] = tuned_source(sources[modality], kept, config.labels)
    return sources


def _of_stage(modality: Modality, progress: Progress) -> Progress:
    return lambda what, done, total: progress(f"{modality} stage, {what}", done, total)
