"""Two-stage training: each encoder is fine-tuned alone, then frozen, then the fusion learns. One split throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from moodfuse.config import Config, Modality
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import Posts
from moodfuse.data.text import TextSpec
from moodfuse.errors import TrainingError
from moodfuse.labels import Labels
from moodfuse.learn.assembly import build_model, encoder_sources, make_parts, open_modalities
from moodfuse.learn.checkpoints import SUFFIX, load_model_state
from moodfuse.learn.encoders import Encoder, EncoderSource, ImageSource, TextSource
from moodfuse.learn.training import History, fit
from moodfuse.progress import Progress

BEST = f"best{SUFFIX}"


class _Tuned(EncoderSource):
    """An encoder with the weights that a stage has left in a checkpoint."""

    def __init__(self, base: EncoderSource, checkpoint: Path) -> None:
        self.base = base
        self.name = base.name
        self.summary = f"{base.summary}, fine-tuned"
        self.graph_folder = checkpoint.parent
        self._checkpoint = checkpoint

    @property
    def weights(self) -> tuple[Path, ...]:
        return (self._checkpoint,)

    def load(self) -> Encoder:
        encoder = self.base.load()
        encoder.load_state_dict(encoder_state(self._checkpoint, self.base.modality), strict=True)
        return encoder.eval()


class TunedText(_Tuned, TextSource):
    """A fine-tuned text encoder: the base's tokenizer and preparation, the stage's weights."""

    base: TextSource

    @property
    def spec(self) -> TextSpec:
        return self.base.spec

    @property
    def tokenizer_json(self) -> str:
        return self.base.tokenizer_json


class TunedImage(_Tuned, ImageSource):
    """A fine-tuned image encoder: the base's preparation, the stage's weights."""

    base: ImageSource

    @property
    def spec(self) -> ImageSpec:
        return self.base.spec


def encoder_state(checkpoint: Path, modality: Modality) -> dict[str, Tensor]:
    """Return an encoder's weights from a training checkpoint. Raises `TrainingError` where it trained none."""
    prefix = f"encoders.{modality}."
    state = load_model_state(checkpoint)
    found = {key[len(prefix) :]: tensor for key, tensor in state.items() if key.startswith(prefix)}
    if not found:
        raise TrainingError(f"{checkpoint}: holds no {modality} encoder that was trained")
    return found


def tuned_source(base: EncoderSource, checkpoint: Path) -> EncoderSource:
    """Return `base` with a checkpoint's weights."""
    return TunedText(base, checkpoint) if isinstance(base, TextSource) else TunedImage(base, checkpoint)


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
        train, validation, prior = make_parts(used, opened, len(parts["train"]), Labels(config.labels))
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
        sources[modality] = tuned_source(sources[modality], place / BEST)
    return sources
