"""Two-stage training: each encoder is fine-tuned alone, then frozen, then the fusion learns. One split throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moodfuse.config import Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.assembly import encoder_sources, open_modalities
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.fit.callbacks import History
from moodfuse.learn.fit.checkpoints import kept_checkpoint
from moodfuse.learn.fit.fit import fit
from moodfuse.learn.parts import build_model, label_ids, make_parts
from moodfuse.learn.tuned import tuned_source
from moodfuse.progress import Progress


def stage_config(config: Config, modality: Modality) -> Config:
    """Return the configuration that fine-tunes one encoder under a linear head of its own."""
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"fusion": modality, "options": {}, "auxiliary": 0.0}),
            "train": config.train.model_copy(
                update={
                    "regime": "end_to_end",
                    "tune": (modality,),
                    "epochs": config.train.stage_epochs,
                    "batch_size": config.train.stage_batch_size,
                }
            ),
        }
    )


def tune_encoders(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    folder: Path,
    *,
    save_history: Callable[[str, History], None],
    progress: Progress,
) -> dict[Modality, EncoderSource]:
    """Fine-tune each encoder in `train.tune` on `parts["train"]`, its best state chosen on `parts["validation"]`.

    Returns all sources that the fusion reads, tuned ones in their base's place. An encoder that is tuned already is
    not tuned again: its checkpoints stand in `folder/stage-MODALITY`.
    """
    sources = encoder_sources(config)
    for modality in config.train.tune:
        if modality not in sources:
            continue
        stage, place = stage_config(config, modality), folder / f"stage-{modality}"
        used = posts.subset([*parts["train"], *parts["validation"]])
        opened = open_modalities(used, stage, progress)
        labels, count = Labels(config.labels), len(parts["train"])
        train, validation, prior = make_parts(
            label_ids(used, labels), opened, range(count), range(count, len(used)), classes=len(labels)
        )
        model = build_model(stage, opened, prior)
        fit(
            model,
            train,
            validation,
            stage,
            Labels(config.labels),
            place,
            save_history=lambda rows, m=modality: save_history(m, rows),  # type: ignore[misc]
            progress=lambda what, done, total, m=modality: progress(f"{m} stage, {what}", done, total),  # type: ignore[misc]
        )
        sources[modality] = tuned_source(sources[modality], place / kept_checkpoint(stage.train))
    return sources
