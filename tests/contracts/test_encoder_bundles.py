"""What every encoder leaves behind: its state after a training, and the files that a bundle holds of it."""

from __future__ import annotations

from pathlib import Path

import torch
from encoder_cases import CASES, assert_close, encode, every, good_posts, prepared, source

from moodfuse.config import Modality
from moodfuse.learn.encoders import EncoderSource
from moodfuse.learn.encoders.joined import JoinedSource
from moodfuse.learn.fit.checkpoints import save_model_state
from moodfuse.learn.tuned import tuned_source
from moodfuse.runtime.bundle import Bundle, Manifest, graph_name, write_bundle
from moodfuse.runtime.graphs import open_session
from moodfuse.runtime.views import open_images, open_texts


@every
def test_the_state_survives_saving_loading_and_export(name: str, modality: Modality, tmp_path: Path) -> None:
    found = source(name, modality)
    if not found.trainable:
        return
    changed = found.load()
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter *= 1.01
    state = {f"encoders.{modality}.{key}": value for key, value in changed.state_dict().items()}
    save_model_state(tmp_path / "best.safetensors", state)
    tuned = tuned_source(found, tmp_path / "best.safetensors")
    assert tuned.fingerprint() != found.fingerprint()
    inputs = found.live(good_posts()).batch(range(5))
    with torch.no_grad():
        expected = changed(*inputs).pooled
        assert torch.equal(tuned.load()(*inputs).pooled, expected)
    assert not torch.allclose(encode(name, modality, inputs).pooled, expected, atol=1e-6)
    graph = tuned.graphs(tuned.load())[graph_name(modality)]
    feed = {key: tensor.numpy() for (key, _), tensor in zip(changed.inputs, inputs, strict=True)}
    (pooled,) = open_session(graph).run(["pooled"], feed)
    assert_close(pooled, expected, tolerance=1e-4)


@every
def test_what_it_puts_into_a_bundle_is_what_the_predictor_opens(name: str, modality: Modality, tmp_path: Path) -> None:
    found, posts = source(name, modality), good_posts()
    bundle = _bundle(found, tmp_path / "bundle")
    reader = (open_texts if modality == "text" else open_images)(bundle, threads=1)
    assert reader.dim == found.width() == sum(part.width for part in found.vector_parts(found.width()))
    [part] = found.vector_parts(found.width())
    assert part.normalise == found.normalise
    own = found.reader()
    got, expected = (one.encode(prepared(one, posts, modality)) for one in (reader, own))
    for row, same in zip(got, expected, strict=True):
        assert_close(row["pooled"], same["pooled"])


@every
def test_beside_another_encoder_its_vector_is_the_same(name: str, modality: Modality, tmp_path: Path) -> None:
    found = source(name, modality)
    other = source(*_beside(modality))
    joined = JoinedSource([other, found])
    bundle = _bundle(joined, tmp_path / "bundle")
    reader = (open_texts if modality == "text" else open_images)(bundle, threads=1)
    assert reader.dim == other.width() + found.width() == joined.width()
    got = reader.encode(prepared(reader, good_posts(), modality))
    own = found.reader()
    for row, same in zip(got, own.encode(prepared(own, good_posts(), modality)), strict=True):
        assert_close(row["pooled"][other.width() :], same["pooled"])
    assert [view.encoder for view in joined.views()] == [other.name, name]


def _beside(modality: Modality) -> tuple[str, Modality]:
    return next((name, kind) for name, kind in CASES if kind == modality and name.startswith("tiny/"))


def _bundle(found: EncoderSource, folder: Path) -> Bundle:
    """A bundle whose head nobody opens."""
    m = found.modality
    manifest = Manifest(
        name="contract",
        moodfuse="0",
        labels=("negative", "positive"),
        modalities=(m,),
        fusion=m,
        encoders={m: found.name},
        views={m: found.views()},
        head_inputs=(f"{m}_pooled", f"{m}_present"),
        **{m: found.spec},
    )
    return write_bundle(folder, manifest, {**found.graphs(), "head.onnx": b""})
