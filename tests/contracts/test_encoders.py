"""One contract for every encoder, looped over the registry, tiny checkpoints of a hub and a plug-in."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_cases import (
    CASES,
    LONG,
    assert_close,
    encode,
    every,
    every_image,
    every_text,
    every_tokens,
    good_posts,
    loaded,
    prepared,
    source,
)

from moodfuse.config import DataConfig, Modality
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import encoders, find_encoder
from moodfuse.learn.store import FeatureStore

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """An empty store: what is asked of it is computed."""
    return FeatureStore(tmp_path / "features.sqlite")


@every
def test_it_says_what_it_is(name: str, modality: Modality) -> None:
    found = source(name, modality)
    assert (found.name, found.modality) == (name, modality)
    assert found.summary
    assert "\n" not in found.summary
    other: Modality = "image" if modality == "text" else "text"
    if name in encoders():
        with pytest.raises(ConfigError, match=f"{name!r} is an encoder of {modality}, expected an encoder of {other}"):
            find_encoder(name, other, DataConfig())


@every
def test_its_vectors_are_as_wide_as_it_says_and_its_mask_is_true_at_real_tokens(name: str, modality: Modality) -> None:
    found, dim = source(name, modality), loaded(name, modality).dim
    assert found.dim in (None, dim)
    assert found.width() == dim
    data = found.live(good_posts())
    inputs = data.batch(range(5))
    assert len(inputs) == len(loaded(name, modality).inputs) == len(loaded(name, modality).example)
    encoded = encode(name, modality, inputs)
    assert encoded.pooled.shape == (5, dim)
    assert encoded.pooled.isfinite().all()
    assert (encoded.tokens is not None) == (encoded.mask is not None) == found.has_tokens
    if encoded.tokens is None or encoded.mask is None:
        return
    assert encoded.tokens.shape == (*encoded.mask.shape, dim)
    assert encoded.mask.dtype == torch.bool
    assert encoded.tokens[encoded.mask].isfinite().all()
    lengths = [encoded.mask.shape[1]] * 5 if data.lengths is None else list(data.lengths)
    assert encoded.mask.sum(1).tolist() == lengths
    assert all(row[:length].all() for row, length in zip(encoded.mask, lengths, strict=True))  # padding stands last


@every
def test_a_post_alone_is_encoded_as_in_any_batch(name: str, modality: Modality) -> None:
    data = source(name, modality).live(good_posts())
    together = encode(name, modality, data.batch(range(5)))
    shuffled = [3, 0, 4, 2, 1]
    moved = encode(name, modality, data.batch(shuffled))
    assert_close(moved.pooled, together.pooled[shuffled])
    for row in range(5):
        alone = encode(name, modality, data.batch([row]))
        assert_close(alone.pooled[0], together.pooled[row])
        assert (alone.tokens is None) == (together.tokens is None)
        if alone.tokens is not None and alone.mask is not None and together.tokens is not None:
            length = int(alone.mask.sum())
            assert together.mask is not None
            assert length == int(together.mask[row].sum())
            assert_close(alone.tokens[0, :length], together.tokens[row, :length])


@every_tokens
@pytest.mark.parametrize("value", [0, 3, 100])
def test_what_stands_at_a_padded_place_does_not_show(name: str, value: int) -> None:
    ids, mask = source(name, "text").live(good_posts()).batch([0, 1, 4])
    expected = encode(name, "text", (ids, mask))
    planted = torch.nn.functional.pad(ids.masked_fill(mask == 0, value), (0, 2), value=value)
    got = encode(name, "text", (planted, torch.nn.functional.pad(mask, (0, 2))))
    real = expected.mask
    assert not real.all()
    assert torch.equal(got.mask[:, : real.shape[1]], real)
    assert not got.mask[:, real.shape[1] :].any()
    assert_close(got.pooled, expected.pooled)
    assert_close(got.tokens[:, : real.shape[1]][real], expected.tokens[real])


@every_image
def test_a_glaring_neighbour_does_not_show(name: str) -> None:
    (pixels,) = source(name, "image").live(good_posts()).batch(range(3))
    expected = encode(name, "image", (pixels,))
    glaring = pixels.clone()
    glaring[1] = 100.0
    got = encode(name, "image", (glaring,))
    for row in (0, 2):
        assert_close(got.pooled[row], expected.pooled[row])
        assert_close(got.tokens[row], expected.tokens[row])
    assert not torch.allclose(got.pooled[1], expected.pooled[1], atol=1e-3)  # it does look


@every
def test_another_post_gets_another_vector(name: str, modality: Modality) -> None:
    pooled = encode(name, modality, source(name, modality).live(good_posts()).batch(range(5))).pooled
    assert (torch.cdist(pooled, pooled) + torch.eye(5) > 1e-3).all()


@every
def test_features_are_what_the_encoder_computes(name: str, modality: Modality, store: FeatureStore) -> None:
    """The frozen path, through the ONNX graph and the store, against the live one, through PyTorch."""
    found, posts = source(name, modality), good_posts()
    features = found.features(posts, tokens=found.has_tokens, store=store)
    expected = encode(name, modality, found.live(posts).batch(range(5)))
    assert features.width == expected.pooled.shape[1]
    reader = found.reader()
    given = prepared(reader, posts, modality)
    exact = reader.encode(given, ("pooled", "tokens") if found.has_tokens else ("pooled",))
    for i, (row, one) in enumerate(zip(features.rows, exact, strict=True)):
        assert row is not None
        assert row.keys() == one.keys()
        assert_close(one["pooled"], expected.pooled[i], tolerance=1e-4)
        assert_close(row["pooled"], one["pooled"], tolerance=1e-3)  # the store keeps 16 bits
        if expected.tokens is not None and expected.mask is not None:
            assert_close(one["tokens"], expected.tokens[i][expected.mask[i]], tolerance=2e-4)
            assert_close(row["tokens"], one["tokens"], tolerance=1e-3)
    again = found.features(posts, tokens=found.has_tokens, store=store)
    for row, known in zip(features.rows, again.rows, strict=True):
        assert all(np.array_equal(row[kind], known[kind]) for kind in row)


@every
def test_order_is_kept_and_what_a_post_lacks_is_none(
    name: str, modality: Modality, store: FeatureStore, tmp_path: Path
) -> None:
    found, good = source(name, modality), good_posts()
    hostile = [
        Post("nothing"),
        good[0],
        Post("blank", "  \n ", ImageRef(b"no image")),
        Post("pipe", None, ImageRef(_pipe(tmp_path))),
        good[1],
        Post("folder", None, ImageRef(tmp_path)),
        Post("gone", None, ImageRef(tmp_path / "gone.png")),
        Post("device", None, ImageRef(Path("/dev/zero"))),
        Post("same as the first", good[0].text, good[0].image),
        good[4],
    ]
    posts = Posts(hostile)
    there = [False, True, False, False, True, False, False, False, True, True]
    features = found.features(posts, store=store)
    assert features.present.tolist() == there
    assert found.live(posts).present.tolist() == there
    assert np.array_equal(features.rows[1]["pooled"], features.rows[8]["pooled"])
    backwards = found.features(Posts(hostile[::-1]), store=FeatureStore(tmp_path / "other.sqlite"))
    for row, same in zip(features.rows, backwards.rows[::-1], strict=True):
        assert (row is None) == (same is None)
        if row is not None:
            assert_close(row["pooled"], same["pooled"], tolerance=1e-3)
    nothing = found.features(Posts([Post("nothing"), Post("none either")]), store=store)
    assert nothing.width == 0
    assert nothing.rows == [None, None]
    # What stands in the place of a post without the modality is a row like any other.
    assert encode(name, modality, found.live(posts).batch(range(3))).pooled.isfinite().all()


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


@every
def test_it_gives_the_same_answer_each_time_that_it_is_loaded(name: str, modality: Modality) -> None:
    found = source(name, modality)
    inputs = found.live(good_posts()).batch([0, 2])
    again = found.load()
    assert not again.training
    with torch.no_grad():
        first, second = again(*inputs), again(*inputs)
    assert torch.equal(first.pooled, second.pooled)
    assert torch.equal(first.pooled, encode(name, modality, inputs).pooled)


@every
def test_its_weights_train_where_it_says_so(name: str, modality: Modality) -> None:
    found = source(name, modality)
    trained = found.load()
    parameters = list(trained.parameters())
    if not found.trainable:
        assert parameters == []
        return
    encoded = trained(*found.live(good_posts()).batch([0, 3]))
    (encoded.pooled.square().sum() + encoded.tokens.square().sum()).backward()
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    moved = sum(bool(gradient.abs().sum() > 0) for gradient in gradients)
    assert moved > len(parameters) / 2


@every
def test_the_fingerprint_names_one_encoder(name: str, modality: Modality) -> None:
    found = source(name, modality)
    others = {source(*case).fingerprint() for case in CASES if case != (name, modality)}
    assert found.fingerprint() not in others
    assert found.fingerprint() == found.at("fp32").fingerprint()
    assert len({found.at(precision).fingerprint() for precision in ("fp32", "fp16", "int8")}) == 3
    kind = type(found)
    other_class = object.__new__(type("Other", (kind,), {}))
    other_class.__dict__.update(found.__dict__)
    wider = found.at("fp32")
    wider.dim = 1 + (found.dim or 0)
    newer = found.at("fp32")
    newer.revision += 1
    assert len({one.fingerprint() for one in (found, other_class, wider, newer)}) == 4


@every_text
def test_a_long_text_is_cut_the_same_way_on_both_paths(name: str) -> None:
    found = source(name, "text")
    reader = found.reader()
    [(_, cut)] = reader.tokenize([LONG * 20])
    assert cut
    [(_, cut)] = reader.tokenize(["short"])
    assert not cut
    far = Posts([Post("0", LONG * 20), Post("1", LONG * 20 + "HATE")])
    pooled = encode(name, "text", found.live(far).batch([0, 1])).pooled
    assert_close(pooled[0], pooled[1])
