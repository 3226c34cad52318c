"""From a configuration and posts to the inputs of a training: a checked model, encoder sources, opened modalities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moodfuse.config import OTHER, Config, Modality, OptimConfig, Section, TrainConfig, idle_settings
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, DataError, TrainingError
from moodfuse.learn.batches import FrozenData, ModalityData
from moodfuse.learn.encoders import Encoder, EncoderSource, Features, find_encoder
from moodfuse.learn.encoders.joined import JoinedSource
from moodfuse.learn.fusion import Fusion, Shapes, build_fusion, find_fusion, fusions
from moodfuse.learn.tuned import run_encoder
from moodfuse.progress import Progress, silent
from moodfuse.records.run import RunFolder, borrowed_runs, has_trained_encoders

#: Returns a frozen encoder's data and features; the flag asks for tokens beside the pooled vectors.
FrozenOpener = Callable[[EncoderSource, bool], tuple[ModalityData, Features]]

_TRAIN = "set train.regime=end_to_end (or two_stage)"
#: What gives an idle setting something to do.
_NEEDS = {
    "train.freeze": _TRAIN,
    "optim.layer_decay": _TRAIN,
    "optim.text_lr": "train the text encoder (train.regime=end_to_end train.tune=[text])",
    "optim.image_lr": "train the image encoder (train.regime=end_to_end train.tune=[image])",
    "train.augment": "train the image encoder (train.regime=end_to_end train.tune=[image])",
    "train.stage_epochs": "set train.regime=two_stage",
    "train.text_epochs": "tune the text encoder in a stage (train.regime=two_stage train.tune=[text])",
    "train.image_epochs": "tune the image encoder in a stage (train.regime=two_stage train.tune=[image])",
    "train.stage_batch_size": "set train.regime=two_stage",
}


@dataclass(frozen=True, slots=True)
class OpenModality:
    """A modality that the fusion reads: the source of its encoder, and its data."""

    source: EncoderSource
    data: ModalityData
    width: int
    encoder: Encoder | None = None  # only if it trains
    features: Features | None = None  # only if the encoder is frozen


def check_model(config: Config) -> None:
    """Raise `ConfigError` for a fusion, an option or an encoder that does not exist, and for a setting without effect.

    It does no work, so it comes first.
    """
    _check_idle(config)
    encoder_sources(config)
    _check_stacker(build_fusion(config.model.fusion, Shapes(8, 8, len(config.labels)), config.model.options), config)
    cls = find_fusion(config.model.fusion)
    reads = cls.modalities
    tuned = config.train.tune if config.train.regime != "frozen" else ()
    if unread := [m for m in tuned if cls.reads(m) == "pixels"]:
        raise ConfigError(
            f"train.tune: fusion {config.model.fusion} reads the {unread[0]} without an encoder; take {unread[0]} out"
        )
    if config.train.tuned and not set(config.train.tuned) & set(reads):
        raise ConfigError(
            f"train.tune: expected {' or '.join(reads)}, which fusion {config.model.fusion} reads, found "
            f"{', '.join(config.train.tuned)}; set train.tune=[{','.join(reads)}]"
        )


def check_posts(posts: Posts, beside: Posts, config: Config) -> None:
    """Raise `DataError` if the fusion reads what no post has, nor any `beside` them, before anything is claimed.

    What is named but cannot be read is found out later, when it is encoded.
    """
    found = posts.modalities | beside.modalities
    for modality in find_fusion(config.model.fusion).modalities:
        if modality not in found:
            other, named = OTHER[modality], "an image" if modality == "image" else "a text"
            hint = f"; the recipe {other} reads the {other} alone" if found else ""
            raise DataError(f"{posts.source}: no post has {named}, which fusion {config.model.fusion} needs{hint}")


def _check_idle(config: Config) -> None:
    train, fusion = config.train, find_fusion(config.model.fusion)
    if fusion.consumes == "pixels" and train.augment:
        train = train.model_copy(update={"augment": ()})  # these pixels train with every regime
    given: dict[str, Section] = {"train": train, "optim": config.optim}
    default: dict[str, Section] = {"train": TrainConfig(), "optim": OptimConfig()}
    for key in idle_settings(train):
        section, _, name = key.partition(".")
        value = getattr(given[section], name)
        if value != getattr(default[section], name):
            shown = f"[{','.join(value)}]" if isinstance(value, tuple) else value
            tune = f" train.tune=[{','.join(train.tune)}]" if train.regime != "frozen" else ""
            raise ConfigError(
                f"{key}={shown} does nothing with train.regime={train.regime}{tune}; leave it out, or {_NEEDS[key]}"
            )


def _check_stacker(fusion: Fusion, config: Config) -> None:
    if fusion.stacker() is None:
        return
    # An encoder that was tuned on these posts has seen them, even if the classifiers after it have not.
    if config.train.regime != "frozen":
        raise ConfigError(
            "stacking needs logits for posts that nothing was trained on; with train.regime="
            f"{config.train.regime} the encoders have seen them all: use train.regime=frozen"
        )
    if borrowed_runs(config):
        raise ConfigError(
            "stacking needs logits for posts that nothing was trained on, and an encoder of another run has seen its "
            "training posts: name encoders that no run has trained"
        )
    if not config.model.auxiliary:
        raise ConfigError("stacking needs each modality's own logits: set model.auxiliary=1")


def open_modalities(
    posts: Posts,
    config: Config,
    progress: Progress = silent,
    sources: Mapping[Modality, EncoderSource] | None = None,
) -> dict[Modality, OpenModality]:
    """Return the modalities that the fusion reads: features of frozen encoders, inputs of encoders that train.

    `sources` are the encoders to use; `None` takes the encoders that `config` names.
    """
    sources = encoder_sources(config) if sources is None else sources

    def frozen(source: EncoderSource, tokens: bool) -> tuple[ModalityData, Features]:
        features = source.features(posts, tokens=tokens, progress=progress)
        return FrozenData(features, tokens=tokens), features

    return {m: open_modality(m, source, posts, config, frozen) for m, source in sources.items()}


def encoder_sources(config: Config) -> dict[Modality, EncoderSource]:
    """Return the encoder source of each modality that the fusion reads; a `JoinedSource` joins several encoders.

    Raises `ConfigError` for an unknown encoder, and for several encoders if the fusion or the regime takes only one.
    """
    sources: dict[Modality, EncoderSource] = {}
    wanted = find_fusion(config.model.fusion).modalities
    for modality in wanted:
        precision = config.export.text if modality == "text" else config.export.image
        parts = [
            run_encoder(RunFolder(Path(name)), modality, config.data)
            if has_trained_encoders(Path(name))
            else find_encoder(name, modality, config.data)
            for name in config.model.encoders(modality)
        ]
        _check_encoders(modality, parts, config)
        source = parts[0] if len(parts) == 1 else JoinedSource(parts)
        sources[modality] = source.at(precision)
    return sources


def open_modality(
    modality: Modality, source: EncoderSource, posts: Posts, config: Config, frozen: FrozenOpener
) -> OpenModality:
    """Open a modality: features of a frozen encoder from `frozen`, an encoder that trains, or the pixels as they are.

    Raises `TrainingError` if no post has the modality.
    """
    reads = find_fusion(config.model.fusion).reads(modality)
    if reads == "pixels":
        return OpenModality(source, source.live(posts, config.train.augment), 3)
    if modality in config.train.tuned:
        encoder = source.load()
        return OpenModality(source, source.live(posts, config.train.augment), encoder.dim, encoder)
    data, features = frozen(source, reads == "tokens")
    if not features.width:
        raise TrainingError(f"no post has a readable {modality}, which fusion {config.model.fusion} needs")
    return OpenModality(source, data, features.width, features=features)


def image_side(modalities: Mapping[Modality, OpenModality]) -> int:
    """Return the side S of the images, in pixels; 0 if no image is read."""
    specs = [opened.source.spec for opened in modalities.values()]
    return next((spec.size for spec in specs if isinstance(spec, ImageSpec)), 0)


def _check_encoders(modality: Modality, sources: Sequence[EncoderSource], config: Config) -> None:
    """Raise `ConfigError` if the fusion or the regime cannot take a modality's encoders; the message says what can."""
    names = config.model.encoders(modality)
    fusion, reads = config.model.fusion, find_fusion(config.model.fusion).reads(modality)
    trains = config.train.regime != "frozen" and modality in config.train.tune
    where = f"model.{modality}: "
    if reads == "pixels" and len(names) > 1:
        raise ConfigError(
            f"{where}fusion {fusion} reads pixels prepared for a single encoder; name one encoder, not "
            f"{', '.join(names)}"
        )
    if reads == "tokens" and len(names) > 1:
        pooled = [n for n, cls in fusions().items() if modality in cls.modalities and cls.reads(modality) == "pooled"]
        raise ConfigError(
            f"{where}fusion {fusion} reads tokens, which come from one encoder, so {', '.join(names[1:])} would be "
            f"ignored; name {names[0]} alone, or take a fusion that reads vectors ({', '.join(sorted(pooled))})"
        )
    if reads == "tokens" and (without := [source.name for source in sources if not source.has_tokens]):
        raise ConfigError(f"{where}{without[0]} has no tokens, which fusion {fusion} reads; name another encoder")
    trainable = [name for name, source in zip(names, sources, strict=True) if source.trainable]
    if trains and not trainable:
        raise ConfigError(f"{where}{sources[0].name} has nothing to train; take {modality} out of train.tune")
    if trains and len(names) > 1:
        there = ",".join("runs/NAME" if name == trainable[0] else name for name in names)
        raise ConfigError(
            f"{where}several encoders stay frozen, and train.regime={config.train.regime} trains the {modality}'s; "
            f"train {trainable[0]} alone in a run of its own, then name that run here: model.{modality}=[{there}] "
            "train.regime=frozen"
        )
