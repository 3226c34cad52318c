"""Fine-tuned encoders: from a stage of this run, or from another run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from moodfuse.config import DataConfig, Modality
from moodfuse.data.images import ImageSpec
from moodfuse.data.text import TextSpec
from moodfuse.errors import ConfigError, TrainingError
from moodfuse.learn.encoders import Encoder, EncoderSource, ImageSource, TokenSource, find_encoder
from moodfuse.learn.fit.checkpoints import kept_checkpoint, load_model_state
from moodfuse.records.run import RunFolder
from moodfuse.settings import build_config, load_yaml


class _Tuned(EncoderSource):
    """An encoder with the weights of a training's checkpoint."""

    def __init__(self, base: EncoderSource, checkpoint: Path, labels: Sequence[str] = ()) -> None:
        """`labels` are those that a linear layer over this encoder alone was trained to tell, if one was."""
        self.base = base
        self.labels = tuple(labels)
        self.name = base.name
        self.summary = f"{base.summary}, fine-tuned"
        self.dim, self.has_tokens, self.normalise = base.dim, base.has_tokens, base.normalise
        self.graph_folder = checkpoint.parent
        self._checkpoint = checkpoint

    @property
    def weights(self) -> tuple[Path, ...]:
        return (self._checkpoint,)

    def load(self) -> Encoder:
        encoder = self.base.load()
        encoder.load_state_dict(encoder_state(self._checkpoint, self.base.modality), strict=True)
        return encoder.eval()

    def classifier(self, labels: Sequence[str]) -> dict[str, Tensor] | None:
        if not self.labels or self.labels != tuple(labels):
            return None
        state = load_model_state(self._checkpoint)
        return {name: state[f"fusion.classify.{name}"] for name in ("weight", "bias")}

    def identity(self) -> tuple[str | int | None, ...]:
        return (*super().identity(), *self.base.identity())


class TunedText(_Tuned, TokenSource):
    """A fine-tuned text encoder: the base's tokenizer and preparation, the stage's weights."""

    base: TokenSource

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


_TUNED: dict[Modality, type[_Tuned]] = {"text": TunedText, "image": TunedImage}


def encoder_state(checkpoint: Path, modality: Modality) -> dict[str, Tensor]:
    """Return an encoder's weights from a training checkpoint. Raises `TrainingError` if it holds none."""
    prefix = f"encoders.{modality}."
    state = load_model_state(checkpoint)
    found = {key[len(prefix) :]: tensor for key, tensor in state.items() if key.startswith(prefix)}
    if not found:
        raise TrainingError(f"{checkpoint}: holds no {modality} encoder that was trained")
    return found


def tuned_source(base: EncoderSource, checkpoint: Path, labels: Sequence[str] = ()) -> EncoderSource:
    """Return `base` with a checkpoint's weights; `labels` as in the run whose fusion reads this modality alone."""
    return _TUNED[base.modality](base, checkpoint, labels)


def run_encoder(run: RunFolder, modality: Modality, data: DataConfig) -> EncoderSource:
    """Return the encoder that a run has fine-tuned.

    Raises `ConfigError` if the run has not, or if it cleaned or cut its texts in another way than `data` says. The
    workflow, which knows the split, checks whether the run that reuses the encoder may evaluate on its own posts.
    """
    config = build_config([load_yaml(run.config)])
    kept = kept_checkpoint(config.train)
    places: dict[str, Path] = {
        "end_to_end": run.checkpoints / kept,
        "two_stage": run.stage(modality) / kept,
    }
    checkpoint = places.get(config.train.regime)
    if checkpoint is None or modality not in config.train.tune or not checkpoint.is_file():
        raise ConfigError(
            f"model.{modality}: the run in {run.path} has fine-tuned no {modality} encoder; name the encoder itself"
        )
    if modality == "text":
        _check_reading(run, config.data, data)
    [name] = config.model.encoders(modality)  # a modality whose encoder trains has a single encoder
    alone = config.train.regime == "two_stage" or config.model.fusion == modality
    return tuned_source(find_encoder(name, modality, data), checkpoint, config.labels if alone else ())


def _check_reading(run: RunFolder, trained: DataConfig, data: DataConfig) -> None:
    # An encoder reads what it was trained on; `resolve_config` takes that over where the new run says nothing.
    theirs, ours = ({"max_tokens": one.max_tokens, **_switches(one)} for one in (trained, data))
    for name, value in theirs.items():
        if ours[name] != value:
            raise ConfigError(
                f"data.{name}: expected {value!r}, as the run in {run.path} trained its text encoder, found "
                f"{ours[name]!r}; leave it out, and it is taken from that run"
            )


def _switches(data: DataConfig) -> dict[str, Any]:
    return {f"cleaning.{name}": value for name, value in data.cleaning.model_dump().items()}
