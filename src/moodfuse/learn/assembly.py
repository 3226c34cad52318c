"""From a configuration and posts to the parts of a training: opened encoders, an untrained model, batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moodfuse.config import Augmentation, Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, TrainingError
from moodfuse.learn.batches import (
    FrozenData,
    ImageData,
    JoinedData,
    LexiconData,
    ModalityData,
    TextData,
)
from moodfuse.learn.encoders import (
    Encoder,
    EncoderSource,
    ImageSource,
    JoinedSource,
    LexiconSource,
    TextSource,
    find_encoder,
)
from moodfuse.learn.features import Features, image_features, lexicon_features, text_features
from moodfuse.learn.fusion import Fusion, Shapes, build_fusion, find_fusion
from moodfuse.learn.store import FeatureStore
from moodfuse.learn.tuned import is_run, run_encoder
from moodfuse.learn.views import check_views, joined_features
from moodfuse.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class OpenModality:
    """One modality that the fusion reads: where its encoder comes from, and its data."""

    source: EncoderSource
    data: ModalityData
    width: int
    encoder: Encoder | None = None  # the one that trains
    features: Features | None = None  # those of a frozen one


def check_model(config: Config) -> None:
    """Raise `ConfigError` for a fusion, an option of it or an encoder that does not exist, before any work."""
    encoder_sources(config)
    _check_stacker(build_fusion(config.model.fusion, Shapes(8, 8, len(config.labels)), config.model.options), config)
    cls = find_fusion(config.model.fusion)
    reads = cls.modalities
    tuned = config.train.tune if config.train.regime != "frozen" else ()
    if unread := [m for m in tuned if cls.reads(m) == "pixels"]:
        raise ConfigError(
            f"train.tune: fusion {config.model.fusion} reads the {unread[0]} without an encoder; take it off"
        )
    if config.train.tuned and not set(config.train.tuned) & set(reads):
        raise ConfigError(
            f"train.tune: expected {' or '.join(reads)}, which fusion {config.model.fusion} reads, found "
            f"{', '.join(config.train.tuned)}; set train.tune=[{','.join(reads)}]"
        )


def _check_stacker(fusion: Fusion, config: Config) -> None:
    if fusion.stacker() is None:
        return
    # An encoder that was tuned on these posts has seen them, whatever the classifiers behind it have.
    if config.train.regime != "frozen":
        raise ConfigError(
            "stacking needs logits for posts that nothing was trained on; with train.regime="
            f"{config.train.regime} the encoders have seen them all: use train.regime=frozen"
        )
    if is_run(config.model.text) or is_run(config.model.image):
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
    """Return the modalities that the fusion reads: frozen encoders' features, encoders that train with their inputs.

    `sources` are the encoders to use; `None` takes those that `config` names.
    """
    sources = encoder_sources(config) if sources is None else sources
    return {m: _open(m, source, posts, config, progress) for m, source in sources.items()}


def encoder_sources(config: Config) -> dict[Modality, EncoderSource]:
    """Return the source of each modality that the fusion reads, of several encoders one that joins them.

    Raises `ConfigError` for an encoder that is none, and for several where the fusion or the regime takes one.
    """
    sources: dict[Modality, EncoderSource] = {}
    wanted = find_fusion(config.model.fusion).modalities
    for modality in wanted:
        precision = config.export.text if modality == "text" else config.export.image
        parts = [
            (
                run_encoder(Path(name), modality, config.data)
                if is_run(name)
                else find_encoder(name, modality, config.data)
            ).at(precision)
            for name in config.model.encoders(modality)
        ]
        check_views(modality, parts, config)
        sources[modality] = parts[0] if len(parts) == 1 else JoinedSource(parts)
    return sources


def _open(modality: Modality, source: EncoderSource, posts: Posts, config: Config, progress: Progress) -> OpenModality:
    """Compute a frozen encoder's features, load an encoder that trains, or leave the pixels as they are."""
    reads = find_fusion(config.model.fusion).reads(modality)
    tokens = reads == "tokens"
    if reads == "pixels":
        return OpenModality(source, live_data(source, posts, config.train.augment), 3)
    if modality in config.train.tuned:
        encoder = source.load()
        return OpenModality(source, live_data(source, posts, config.train.augment), encoder.dim, encoder)
    features = frozen_features(source, posts, tokens=tokens, progress=progress)
    if not features.width:
        raise TrainingError(f"no post has a readable {modality}, which fusion {config.model.fusion} needs")
    return OpenModality(source, FrozenData(features, tokens=tokens), features.width, features=features)


def frozen_features(
    source: EncoderSource,
    posts: Posts,
    *,
    tokens: bool,
    store: FeatureStore | None = None,
    progress: Progress = silent,
) -> Features:
    """Return the posts' pooled vectors by a frozen encoder, and with `tokens` its tokens too, computed where new."""
    outputs = ("pooled", "tokens") if tokens else ("pooled",)
    if isinstance(source, JoinedSource):
        return joined_features(
            [frozen_features(part, posts, tokens=tokens, store=store, progress=progress) for part in source.parts]
        )
    if isinstance(source, LexiconSource):
        return lexicon_features(source, posts, store=store, progress=progress)
    if isinstance(source, TextSource):
        return text_features(source, posts, outputs=outputs, store=store, progress=progress)
    return image_features(_image(source), posts, outputs=outputs, store=store, progress=progress)


def _image(source: EncoderSource) -> ImageSource:
    assert isinstance(source, ImageSource)
    return source


def live_data(source: EncoderSource, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> ModalityData:
    """Return the posts as inputs of an encoder."""
    if isinstance(source, JoinedSource):
        return JoinedData([live_data(part, posts, augmentation) for part in source.parts])
    if isinstance(source, LexiconSource):
        return LexiconData(posts, source)
    if isinstance(source, TextSource):
        return TextData(posts, source)
    return ImageData(posts, _image(source).spec, augmentation)
