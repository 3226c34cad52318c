"""Export of a trained model as a bundle, and the check of its parity with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from moodfuse.config import Config, Modality, Precision
from moodfuse.data.posts import Posts
from moodfuse.errors import TrainingError
from moodfuse.learn.assembly import OpenModality, image_side
from moodfuse.learn.batches import PostBatches
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.export import PARITY, head_graph, head_inputs
from moodfuse.learn.model import FusionModel
from moodfuse.learn.precision import reduce_weights
from moodfuse.runtime.bundle import GRAPHS, Bundle, Manifest, ViewSpec, graph_name, update_manifest, write_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.version import __version__


def export_bundle(
    model: FusionModel,
    modalities: Mapping[Modality, OpenModality],
    config: Config,
    folder: Path,
    sample: Posts,
    *,
    name: str,
) -> Bundle:
    """Write `model` as a bundle to `folder`; its manifest states how far it differs from the model on `sample`.

    Raises `TrainingError` if the fp32 export does not compute what the model does. If `config.export` asks for fewer
    bits, the fp32 export is still checked first; the bundle that is kept states its own difference.
    """
    expected = _probabilities(model, modalities, sample)  # (B, classes)
    exported = _export(model.cpu().eval(), modalities)
    full = {m: opened.source.at("fp32") for m, opened in modalities.items()}
    bundle = _write(model, exported, full, config, folder, name, head="fp32")
    parity = _differences(expected, bundle, sample)
    if not parity["probability"] <= PARITY:
        raise TrainingError(
            f"the exported bundle differs from the model by {parity['probability']:.1e} in a probability (at most "
            f"{PARITY:.0e} is allowed); please report this with the versions that `moodfuse doctor` prints"
        )
    wanted = {m: opened.source for m, opened in modalities.items()}
    if {config.export.head, *(source.precision for source in wanted.values())} != {"fp32"}:
        bundle = _write(model, exported, wanted, config, folder, name, head=config.export.head)
        parity = {"fp32_probability": parity["probability"]} | _differences(expected, bundle, sample)
    return update_manifest(bundle, parity=parity)


@dataclass(frozen=True, slots=True)
class _Exported:
    """What training has changed, in fp32: the head's graph, and the files of each encoder that trained."""

    head: bytes
    trained: dict[Modality, dict[str, bytes | Path]]

    def files(self, modality: Modality, source: EncoderSource) -> dict[str, bytes | Path]:
        """Return the files that a bundle needs of a modality's encoders, in the source's precision."""
        if modality not in self.trained:
            return source.graphs()
        graph, contents = graph_name(modality), self.trained[modality]
        weights = contents[graph]
        assert isinstance(weights, bytes)  # only the graph of a frozen encoder lies in a file
        return contents | {graph: reduce_weights(weights, source.precision)}


def _export(model: FusionModel, modalities: Mapping[Modality, OpenModality]) -> _Exported:
    widths = {m: opened.width for m, opened in modalities.items()}
    trained = {m: (o.source.at("fp32"), o.encoder) for m, o in modalities.items() if o.encoder is not None}
    return _Exported(
        head_graph(model, widths, side=image_side(modalities)),
        {m: source.graphs(encoder) for m, (source, encoder) in trained.items()},
    )


def _write(
    model: FusionModel,
    exported: _Exported,
    sources: Mapping[Modality, EncoderSource],
    config: Config,
    folder: Path,
    name: str,
    *,
    head: Precision,
) -> Bundle:
    encoded = {m: source for m, source in sources.items() if model.fusion.reads(m) != "pixels"}
    contents: dict[str, bytes | Path] = {GRAPHS["head"]: reduce_weights(exported.head, head)}
    for modality, source in encoded.items():
        contents |= exported.files(modality, source)
    manifest = Manifest(
        name=name,
        moodfuse=__version__,
        labels=config.labels,
        modalities=model.fusion.modalities,
        fusion=config.model.fusion,
        encoders={m: source.name for m, source in encoded.items()},
        precision={m: source.precision for m, source in encoded.items()},
        **{m: source.spec for m, source in sources.items()},
        views={m: views for m, source in sources.items() if (views := _told(source))},
        head_inputs=tuple(head_inputs(model)),
    )
    return write_bundle(folder, manifest, contents)


def _told(source: EncoderSource) -> tuple[ViewSpec, ...]:
    """Return the manifest's `views`; empty for a single encoder with a graph, which other fields describe."""
    views = source.views()
    return views if len(views) > 1 or views[0].kind != "graph" else ()


@torch.no_grad()
def _probabilities(model: FusionModel, modalities: Mapping[Modality, OpenModality], posts: Posts) -> np.ndarray:
    """Return probabilities (B, classes) that PyTorch computes from texts and images, frozen encoders included."""
    encoders = {
        m: opened.encoder or opened.source.load()
        for m, opened in modalities.items()
        if model.fusion.reads(m) != "pixels"
    }
    live = {m: opened.source.live(posts) for m, opened in modalities.items()}
    rows = range(len(posts))
    batch = PostBatches(live.get("text"), live.get("image"), [0] * len(posts), rows).load(rows)
    model.eval()
    kept = dict(model.encoders)
    model.encoders.update({m: encoder.cpu().eval() for m, encoder in encoders.items()})
    probabilities = torch.softmax(model(batch).logits, -1).numpy()
    for modality in encoders:
        if modality not in kept:
            del model.encoders[modality]
    return probabilities


def _differences(expected: np.ndarray, bundle: Bundle, posts: Posts) -> dict[str, float]:
    got = np.array([list(p.probabilities.values()) for p in Predictor(bundle).stream(posts)])
    flips = int((expected.argmax(-1) != got.argmax(-1)).sum())
    return {"probability": float(np.abs(expected - got).max()), "label_flips": flips, "posts": len(posts)}
