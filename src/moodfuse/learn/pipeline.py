"""One model, from posts and a split to a bundle whose parity has been checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from moodfuse.config import Augmentation, Config, Modality
from moodfuse.data.posts import Posts
from moodfuse.errors import TrainingError
from moodfuse.labels import Labels
from moodfuse.learn.batches import FrozenData, ImageData, ModalityData, PostBatches, TextData
from moodfuse.learn.encoders import Encoder, EncoderSource, ImageSource, TextSource, image_source, text_source
from moodfuse.learn.export import PARITY, encoder_graph, head_graph, head_inputs
from moodfuse.learn.features import Features, frozen_graph, image_features, text_features
from moodfuse.learn.fusion import Shapes, build_fusion, find_fusion
from moodfuse.learn.model import FusionModel
from moodfuse.learn.training import FitResult, History, fit
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import GRAPHS, TOKENIZER, Bundle, Manifest, update_manifest, write_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.version import __version__

_PARITY_POSTS = 32


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, how its training went, and its bundle (uncalibrated, without scores)."""

    bundle: Bundle
    fit: FitResult
    parameters: int  # those that trained


@dataclass(frozen=True, slots=True)
class _Modality:
    """One modality that the fusion reads: where its encoder comes from, and its data."""

    source: EncoderSource
    data: ModalityData
    width: int
    encoder: Encoder | None  # the one that trains


def check_model(config: Config) -> None:
    """Raise `ConfigError` for a fusion, an option of it or an encoder that does not exist, before any work."""
    _sources(config)
    build_fusion(config.model.fusion, Shapes(8, 8, len(config.labels)), config.model.options)


def train_model(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    folder: Path,
    *,
    name: str,
    save_history: Callable[[History], None] = lambda _: None,
    progress: Progress = silent,
) -> Trained:
    """Train on `parts["train"]`, keep the state that does best on `parts["validation"]`, export it to `folder/bundle`.

    `parts` holds ids; no other post is looked at. Checkpoints go to `folder/checkpoints`, and training goes on from
    the last one there. Raises `TrainingError` where the exported graphs do not compute what the model does.
    """
    labels = Labels(config.labels)
    used = posts.subset([*parts["train"], *parts["validation"]])
    modalities = {m: _open(m, source, used, config, progress) for m, source in _sources(config).items()}
    targets = [labels.id(str(label)) for label in used.labels]
    count = len(parts["train"])
    model = _build(config, modalities, prior=np.bincount(targets[:count], minlength=len(labels)) / count)
    text, image = (modalities[m].data if m in modalities else None for m in ("text", "image"))
    train = PostBatches(text, image, targets, range(count))
    validation = PostBatches(text, image, targets, range(count, len(used)))
    result = fit(
        model,
        train,
        validation,
        config,
        labels,
        folder / "checkpoints",
        save_history=save_history,
        progress=progress,
    )
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    progress("exporting the bundle", 0, 1)
    bundle = _export(model, modalities, config, folder / "bundle", name)
    sample = posts.subset(parts["validation"][:_PARITY_POSTS])
    bundle = _check_parity(model, modalities, bundle, sample)
    progress("exporting the bundle", 1, 1)
    return Trained(bundle, result, parameters)


def _sources(config: Config) -> dict[Modality, EncoderSource]:
    sources: dict[Modality, EncoderSource] = {}
    wanted = find_fusion(config.model.fusion).modalities
    if "text" in wanted:
        sources["text"] = text_source(config.model.text, config.data)
    if "image" in wanted:
        sources["image"] = image_source(config.model.image, config.data)
    return sources


def _open(modality: Modality, source: EncoderSource, posts: Posts, config: Config, progress: Progress) -> _Modality:
    """Compute a frozen encoder's features, or load an encoder that trains."""
    tokens = find_fusion(config.model.fusion).consumes == "tokens"
    if modality in config.train.tuned:
        encoder = source.load()
        return _Modality(source, _live_data(source, posts, config.train.augment), encoder.dim, encoder)
    features = _features(source, posts, tokens=tokens, progress=progress)
    if not features.width:
        raise TrainingError(f"no post has a readable {modality}, which fusion {config.model.fusion} needs")
    return _Modality(source, FrozenData(features, tokens=tokens), features.width, None)


def _features(source: EncoderSource, posts: Posts, *, tokens: bool, progress: Progress = silent) -> Features:
    outputs = ("pooled", "tokens") if tokens else ("pooled",)
    if isinstance(source, TextSource):
        return text_features(source, posts, outputs=outputs, progress=progress)
    return image_features(_image(source), posts, outputs=outputs, progress=progress)


def _image(source: EncoderSource) -> ImageSource:
    assert isinstance(source, ImageSource)
    return source


def _build(config: Config, modalities: Mapping[Modality, _Modality], prior: np.ndarray) -> FusionModel:
    # Seeded here and not earlier: exporting an encoder draws numbers, finding it exported does not.
    torch.manual_seed(config.seed)
    widths = {m: opened.width for m, opened in modalities.items()}
    shapes = Shapes(widths.get("text", 0), widths.get("image", 0), len(config.labels))
    return FusionModel(
        build_fusion(config.model.fusion, shapes, config.model.options),
        widths=widths,
        prior=prior.tolist(),
        encoders={m: opened.encoder for m, opened in modalities.items() if opened.encoder is not None},
        auxiliary=config.model.auxiliary > 0,
        dropout=config.model.dropout,
        modality_dropout=config.model.modality_dropout,
    )


def _export(
    model: FusionModel, modalities: Mapping[Modality, _Modality], config: Config, folder: Path, name: str
) -> Bundle:
    widths = {m: opened.width for m, opened in modalities.items()}
    contents: dict[str, bytes | Path] = {GRAPHS["head"]: head_graph(model.cpu().eval(), widths)}
    specs = {m: opened.source.spec for m, opened in modalities.items()}
    for modality, opened in modalities.items():
        if opened.encoder is None:
            graph = frozen_graph(opened.source)
        else:
            graph = folder.parent / f"{modality}.onnx.tuned"
            encoder_graph(opened.encoder.cpu().eval(), graph)
        contents[GRAPHS[modality]] = graph
        if isinstance(opened.source, TextSource):
            contents[TOKENIZER] = opened.source.tokenizer_json.encode()
    manifest = Manifest(
        name=name,
        moodfuse=__version__,
        labels=config.labels,
        modalities=model.fusion.modalities,
        fusion=config.model.fusion,
        encoders={m: opened.source.name for m, opened in modalities.items()},
        text=specs.get("text"),
        image=specs.get("image"),
        head_inputs=tuple(head_inputs(model)),
    )
    bundle = write_bundle(folder, manifest, contents)
    for modality in modalities:
        (folder.parent / f"{modality}.onnx.tuned").unlink(missing_ok=True)
    return bundle


@torch.no_grad()
def _check_parity(
    model: FusionModel,
    modalities: Mapping[Modality, _Modality],
    bundle: Bundle,
    posts: Posts,
) -> Bundle:
    """Run real posts through PyTorch, encoders included, and through the bundle; record the largest difference."""
    opened = {m: one.encoder or one.source.load() for m, one in modalities.items()}
    live = {m: _live_data(one.source, posts) for m, one in modalities.items()}
    batch = PostBatches(live.get("text"), live.get("image"), [0] * len(posts), range(len(posts))).load(
        range(len(posts))
    )
    model.eval()
    model.encoders.update({m: encoder.cpu().eval() for m, encoder in opened.items()})
    expected = torch.softmax(model(batch).logits, -1).numpy()  # (B, classes)
    got = np.array([list(p.probabilities.values()) for p in Predictor(bundle).stream(posts)])
    worst = float(np.abs(expected - got).max())
    if not worst <= PARITY:
        raise TrainingError(
            f"the exported bundle differs from the model by {worst:.1e} in a probability (at most {PARITY:.0e} is "
            "allowed); please report this with the versions that `moodfuse doctor` prints"
        )
    flips = int((expected.argmax(-1) != got.argmax(-1)).sum())
    return update_manifest(bundle, parity={"probability": worst, "label_flips": flips, "posts": len(posts)})


def _live_data(source: EncoderSource, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> ModalityData:
    if isinstance(source, TextSource):
        return TextData(posts, source)
    return ImageData(posts, _image(source).spec, augmentation)
