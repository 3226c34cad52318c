"""Explanations: shares that add up exactly, and occlusion that finds what was planted."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.images import ImageSpec
from moodfuse.data.posts import ImageRef, Post
from moodfuse.runtime import explain as module
from moodfuse.runtime.explain import Explanation, explain, seen_part
from moodfuse.runtime.predictor import Predictor, PreparedPost


@pytest.fixture(scope="module")
def predictor(trained_run: Path) -> Predictor:
    return Predictor.load(trained_run)


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> list[Post]:
    return list(stream_posts(synthetic_folder))


def picture(size: tuple[int, int] = (64, 48)) -> ImageRef:
    buffer = io.BytesIO()
    Image.new("RGB", size, (250, 210, 40)).save(buffer, "PNG")
    return ImageRef(buffer.getvalue())


def moved(found: Explanation) -> np.ndarray:
    return np.sum([list(share.values()) for share in found.shares.values()], axis=0)


def row(values: dict[str, float]) -> np.ndarray:
    return np.array(list(values.values()))


def test_shares_sum_to_the_answer_less_the_empty_prediction(predictor: Predictor, posts: list[Post]) -> None:
    empty = row(predictor.predict().probabilities)
    for post in [*posts[:3], Post("text", "what a day"), Post("image", None, picture()), Post("nothing")]:
        found = explain(predictor, post, max_words=2, grid=2)
        np.testing.assert_allclose(row(found.prior), empty, atol=1e-9)
        np.testing.assert_allclose(moved(found), row(found.prediction.probabilities) - empty, atol=1e-9)
        [plain] = predictor.stream([post])
        np.testing.assert_allclose(row(found.prediction.probabilities), row(plain.probabilities), atol=1e-5)


def test_a_modality_alone_is_the_post_without_the_other(predictor: Predictor, posts: list[Post]) -> None:
    post = posts[0]
    found = explain(predictor, post, max_words=1, grid=2)
    alone = predictor.predict(text=post.text)
    np.testing.assert_allclose(row(found.alone["text"]), row(alone.probabilities), atol=1e-5)
    only_text = explain(predictor, Post("0", post.text), max_words=1)
    assert set(only_text.alone) == {"text"}
    assert only_text.shares["image"] == pytest.approx(dict.fromkeys(predictor.labels.names, 0.0))
    assert only_text.regions is None


def test_the_planted_word_outweighs_the_rest(predictor: Predictor) -> None:
    found = explain(predictor, Post("0", "she was reading the paper, horrible"))
    assert found.prediction.label == "negative"
    assert max(found.words, key=lambda word: word.weight).text == "horrible"
    assert found.text is not None
    assert all(found.text[word.start : word.end] == word.text for word in found.words)


def test_the_planted_corner_outweighs_the_rest_of_the_image(predictor: Predictor) -> None:
    """All that is to be seen lies in one cell, the rest is the mean colour already: greying that does nothing."""
    image = Image.new("RGB", (224, 224), (127, 127, 127))
    rng = np.random.default_rng(0)
    image.paste(Image.fromarray(rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)), (20, 20))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    found = explain(predictor, Post("0", None, ImageRef(buffer.getvalue())), grid=2)
    assert found.regions is not None
    weights = np.array(found.regions.weights)
    assert abs(weights[0, 0]) > 1e-4
    assert np.abs(weights.flatten()[1:]).max() < 1e-5


def test_words_are_bounded_and_the_unchanged_image_is_encoded_once(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {"text": 0, "image": 0}
    texts, images = predictor._encode_texts, predictor._encode_images

    def count_texts(posts):  # type: ignore[no-untyped-def]
        seen["text"] += sum(post.token_ids is not None for post in posts)
        return texts(posts)

    def count_images(posts):  # type: ignore[no-untyped-def]
        seen["image"] += sum(post.pixels is not None for post in posts)
        return images(posts)

    monkeypatch.setattr(predictor, "_encode_texts", count_texts)
    monkeypatch.setattr(predictor, "_encode_images", count_images)
    found = explain(predictor, Post("0", "word " * 400, picture()), grid=3)
    assert len(found.words) == module.MAX_WORDS
    assert found.words_left_out == 400 - module.MAX_WORDS
    assert seen == {"text": 1 + module.MAX_WORDS, "image": 1 + 9}


def test_chinese_is_weighed_character_by_character(predictor: Predictor) -> None:
    found = explain(predictor, Post("0", "今天很好 ok"))
    assert [word.text for word in found.words] == ["今", "天", "很", "好", "ok"]


def test_a_text_of_one_word_leaves_nothing_to_read_without_it(predictor: Predictor) -> None:
    found = explain(predictor, Post("0", "terrible"))
    [word] = found.words
    label = found.prediction.label
    assert word.weight == pytest.approx(found.prediction.probabilities[label] - found.prior[label], abs=1e-6)


def test_a_bundle_of_one_modality_has_one_share(text_run: Path) -> None:
    found = explain(Predictor.load(text_run), Post("0", "what a lovely day", picture()))
    assert set(found.shares) == set(found.alone) == {"text"}
    assert found.regions is None
    np.testing.assert_allclose(moved(found), row(found.prediction.probabilities) - row(found.prior), atol=1e-9)


def test_what_the_encoder_sees_of_an_image() -> None:
    assert seen_part(200, 100, ImageSpec(crop=1)) == (0.25, 0, 0.75, 1)
    assert seen_part(100, 100, ImageSpec(crop=0.5)) == (0.25, 0.25, 0.75, 0.75)
    assert seen_part(300, 100, ImageSpec(crop=1, resize="squash")) == (0, 0, 1, 1)


def test_every_encoder_of_an_image_loses_the_same_part() -> None:
    prepared = PreparedPost("0", None, (np.ones((3, 8, 8)), np.ones((3, 20, 20))), [])
    copies = module._occluded(prepared, 2)
    assert len(copies) == 4
    for first, second in (copy.pixels for copy in copies):
        assert (first == 0).mean() == (second == 0).mean() == 0.25
    assert (copies[1].pixels[1][:, :10, 10:] == 0).all()
