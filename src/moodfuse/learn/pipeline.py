"""One model, from posts and a split to a bundle whose parity has been checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from moodfuse.config import Config, Modality
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import Posts
from moodfuse.errors import TrainingError
from moodfuse.labels import Labels
from moodfuse.learn.assembly import OpenModality, build_model, live_data, make_parts, open_modalities
from moodfuse.learn.batches import PostBatches
from moodfuse.learn.encoders import EncoderSource, LexiconSource, TextSource
from moodfuse.learn.export import PARITY, encoder_graph, head_graph, head_inputs
from moodfuse.learn.features import frozen_graph
from moodfuse.learn.model import FusionModel
from moodfuse.learn.stacking import fit_stacker
from moodfuse.learn.stages import tune_encoders
from moodfuse.learn.training import FitResult, History, fit
from moodfuse.progress import Progress, silent
from moodfuse.runtime.bundle import (
    GRAPHS,
    Bundle,
    Manifest,
    View,
    graph_name,
    tokenizer_name,
    update_manifest,
    write_bundle,
)
from moodfuse.runtime.predictor import Predictor
from moodfuse.version import __version__

_PARITY_POSTS = 32
#: Where a bundle stands until it is calibrated and scored: nobody must take it for a finished one.
UNFINISHED = "bundle.unfinished"


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, how its training went, and its bundle (uncalibrated, without scores)."""

    bundle: Bundle
    fit: FitResult
    parameters: int  # those that trained


def train_model(
    posts: Posts,
    parts: Mapping[str, Sequence[str]],
    config: Config,
    folder: Path,
    *,
    name: str,
    groups: Mapping[str, int],
    save_history: Callable[[str, History], None] = lambda stage, rows: None,
    progress: Progress = silent,
) -> Trained:
    """Train on `parts["train"]`, keep the state that does best on `parts["validation"]`, export it.

    `parts` holds ids; no other post is looked at. `groups` numbers each post's group of near-duplicates. The bundle
    goes to `folder/UNFINISHED`, checkpoints go to `folder/checkpoints`, and training goes on from the last one there.
    `save_history` is given the stage's name, empty for the model itself, and the epochs so far. Raises
    `TrainingError` where the exported graphs do not compute what the model does.
    """
    labels = Labels(config.labels)
    sources = None
    if config.train.regime == "two_stage":
        sources = tune_encoders(
            posts, parts, config, folder / "checkpoints", save_history=save_history, progress=progress
        )
    used = posts.subset([*parts["train"], *parts["validation"]])
    modalities = open_modalities(used, config, progress, sources)
    train, validation, prior = make_parts(used, modalities, len(parts["train"]), labels)
    model = build_model(config, modalities, prior)
    result = fit(
        model,
        train,
        validation,
        config,
        labels,
        folder / "checkpoints",
        save_history=lambda rows: save_history("", rows),
        progress=progress,
    )
    train_groups = [groups[i] for i in parts["train"]]
    fit_stacker(
        model, train, validation, train_groups, config, labels, modalities, folder / "checkpoints", progress=progress
    )
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    progress("exporting the bundle", 0, 1)
    bundle = _export(model, modalities, config, folder / UNFINISHED, name)
    sample = posts.subset(parts["validation"][:_PARITY_POSTS])
    bundle = _check_parity(model, modalities, bundle, sample)
    progress("exporting the bundle", 1, 1)
    return Trained(bundle, result, parameters)


def _export(
    model: FusionModel, modalities: Mapping[Modality, OpenModality], config: Config, folder: Path, name: str
) -> Bundle:
    widths = {m: opened.width for m, opened in modalities.items()}
    specs = {m: opened.source.spec for m, opened in modalities.items()}
    side = next((spec.size for spec in specs.values() if isinstance(spec, ImageSpec)), 0)
    contents: dict[str, bytes | Path] = {GRAPHS["head"]: head_graph(model.cpu().eval(), widths, side=side)}
    for modality, opened in modalities.items():
        if model.fusion.reads(modality) == "pixels":
            continue
        for place, part in enumerate(opened.source.parts):
            if isinstance(part, LexiconSource):
                continue
            if opened.encoder is None:
                graph = frozen_graph(part)
            else:
                graph = folder.parent / f"{modality}.onnx.tuned"
                encoder_graph(opened.encoder.cpu().eval(), graph)
            contents[graph_name(modality, place)] = graph
            if isinstance(part, TextSource):
                contents[tokenizer_name(place)] = part.tokenizer_json.encode()
    manifest = Manifest(
        name=name,
        moodfuse=__version__,
        labels=config.labels,
        modalities=model.fusion.modalities,
        fusion=config.model.fusion,
        encoders={m: o.source.name for m, o in modalities.items() if model.fusion.reads(m) != "pixels"},
        text=specs.get("text"),
        image=specs.get("image"),
        views={m: views for m, o in modalities.items() if (views := _views(o.source))},
        head_inputs=tuple(head_inputs(model)),
    )
    bundle = write_bundle(folder, manifest, contents)
    for modality in modalities:
        (folder.parent / f"{modality}.onnx.tuned").unlink(missing_ok=True)
    return bundle


def _views(source: EncoderSource) -> tuple[View, ...]:
    """Return what the manifest says of several encoders or of a lexicon; of one encoder it says all elsewhere."""
    if len(source.parts) == 1 and not isinstance(source, LexiconSource):
        return ()
    return tuple(
        View.model_validate({"encoder": part.name, part.modality: part.spec})
        if not isinstance(part, LexiconSource)
        else View(encoder=part.name, kind="lexicon", text=part.spec, package=part.package, sha256=part.digest)
        for part in source.parts
    )


@torch.no_grad()
def _check_parity(
    model: FusionModel,
    modalities: Mapping[Modality, OpenModality],
    bundle: Bundle,
    posts: Posts,
) -> Bundle:
    """Run real posts through PyTorch, encoders included, and through the bundle; record the largest difference."""
    opened = {m: one.encoder or one.source.load() for m, one in modalities.items() if model.fusion.reads(m) != "pixels"}
    live = {m: live_data(one.source, posts) for m, one in modalities.items()}
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
