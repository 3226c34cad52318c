"""Posts of several images: training sees what prediction sees."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moodfuse.config import DataConfig
from moodfuse.data.digests import post_digest, post_digests
from moodfuse.data.duplicates import gather, group_duplicates
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.learn.encoders import Encoded, find_encoder
from moodfuse.learn.encoders.joined import JoinedSource
from moodfuse.learn.store import FeatureStore
from moodfuse.runtime.views import mean_encoding


def picture(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((320, 240)).save(buffer, "JPEG")
    return buffer.getvalue()


def post(id: str, *images: bytes) -> Post:
    refs = tuple(map(ImageRef, images))
    return Post(id, None, refs[0] if refs else None, more_images=refs[1:])


A, B, C = (picture(i) for i in range(3))
POSTS = Posts([post("two", A, B), post("none"), post("one", C), post("broken", b"x"), post("half", b"x", A, b"")])


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features.sqlite")


def test_features_are_what_the_predictor_makes_of_them(store: FeatureStore) -> None:
    source = find_encoder("efficientnet-lite0", "image", DataConfig())
    found = source.features(POSTS, tokens=True, store=store)
    assert found.present.tolist() == [True, False, True, False, True]
    reader = source.reader()  # type: ignore[attr-defined]
    inputs = [reader.prepare(look(ImageRef(one)).image) for one in (A, B, C)]
    a, b, c = reader.encode(inputs, ("pooled", "tokens"))
    for row, expected in ((0, mean_encoding([a, b])), (2, c), (4, a)):
        for kind, values in expected.items():
            np.testing.assert_allclose(found.rows[row][kind], values, rtol=2e-3, atol=2e-3)  # type: ignore[index]
    again = source.features(POSTS, tokens=True, store=store)
    for one, other in zip(found.rows, again.rows, strict=True):
        assert (one is None) == (other is None)
        assert one is None or all((one[kind] == other[kind]).all() for kind in one)  # type: ignore[index]


def test_live_inputs_encode_to_the_same_means(store: FeatureStore) -> None:
    source = find_encoder("efficientnet-lite0", "image", DataConfig())
    live = source.live(POSTS)
    assert live.present.tolist() == [True, False, True, False, True]
    pixels, counts = live.batch(range(5))
    assert counts.tolist() == [2, 1, 1, 1, 1]
    with torch.no_grad():
        encoded = source.load()(pixels).mean_of(counts)
    expected = source.features(POSTS, tokens=True, store=store).rows
    for i in (0, 2, 4):
        row = expected[i]
        assert row is not None
        np.testing.assert_allclose(encoded.pooled[i], row["pooled"], rtol=5e-3, atol=5e-3)
        np.testing.assert_allclose(encoded.tokens[i], row["tokens"], rtol=5e-3, atol=5e-3)
    assert len(live.batch([1, 2])) == 1  # as ever, where no post of a batch has several


def test_joined_live_inputs_count_once() -> None:
    parts = [find_encoder(name, "image", DataConfig()) for name in ("efficientnet-lite0", "efficientnet-lite2")]
    first, second, counts = JoinedSource(parts).live(POSTS).batch([0, 2])
    assert len(first) == len(second) == 3
    assert counts.tolist() == [2, 1]


def test_the_mean_of_encodings_has_gradients() -> None:
    values = torch.arange(8.0).reshape(4, 2).requires_grad_()
    mean = Encoded(values, values.unsqueeze(1), torch.ones(4, 1, dtype=torch.bool)).mean_of(torch.tensor([1, 3]))
    assert mean.pooled.tolist() == [[0, 1], [4, 5]]
    assert mean.tokens is not None
    assert mean.mask is not None
    assert mean.tokens.shape == (2, 1, 2)
    assert mean.mask.shape == (2, 1)
    mean.pooled.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad[:, 0], torch.tensor([1, 1 / 3, 1 / 3, 1 / 3]))


def test_a_digest_holds_every_image_and_is_unchanged_for_one() -> None:
    digests = post_digests(POSTS)
    assert digests["one"] == post_digest(None, C)
    assert digests["none"] == post_digest(None, None) == post_digest(None)
    assert digests["two"] == post_digest(None, A, B)
    assert len({post_digest(None, A), post_digest(None, A, B), post_digest(None, B, A), post_digest(None, A + B)}) == 4


def test_posts_that_share_any_image_belong_together() -> None:
    posts = Posts([post("1", A, B), post("2", B), post("3", C), post("4", C, b"x", A), post("5", picture(9))])
    groups = group_duplicates(posts)
    assert gather(posts.ids, groups.group_of) == [("1", "2", "3", "4")]
    assert len(set(groups.by_image.values())) == 2
