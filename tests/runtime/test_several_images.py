from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moodfuse.data import images
from moodfuse.data.images import MAX_IMAGES
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.errors import DataError
from moodfuse.runtime import explain as module
from moodfuse.runtime.bundle import default_bundle, read_bundle
from moodfuse.runtime.explain import explain
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.runtime.views import mean_encoding


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load(threads=2)


def picture(seed: int) -> ImageRef:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((320, 240)).save(buffer, "JPEG")
    return ImageRef(buffer.getvalue())


def post(*images: ImageRef, text: str | None = "what a day") -> Post:
    return Post("1", text, images[0] if images else None, more_images=images[1:])


def row(prediction: Prediction) -> np.ndarray:
    return np.array(list(prediction.probabilities.values()))


def test_several_images_are_the_mean_of_their_vectors(predictor: Predictor) -> None:
    a, b, c = (picture(i) for i in range(3))
    each = predictor.encode([predictor.prepare(post(one)) for one in (a, b, c)])[1]
    texts, [several] = predictor.encode([predictor.prepare(post(a, b, c))])
    assert several is not None
    for kind, values in several.items():
        np.testing.assert_allclose(values, np.mean([one[kind] for one in each if one], axis=0), atol=1e-5)
    answer = next(predictor.stream([post(a, b, c)]))
    np.testing.assert_allclose(row(answer), predictor.score(texts, [several])[0], atol=1e-6)
    assert answer.status == ("ok",)
    assert answer.details == ()
    assert np.abs(row(answer) - row(next(predictor.stream([post(a)])))).max() > 1e-4


def test_one_image_is_what_it_always_was() -> None:
    encoding = {"pooled": np.random.default_rng(0).normal(size=8).astype(np.float32)}
    assert mean_encoding([encoding]) is encoding


def test_what_reads_pixels_takes_the_first() -> None:
    pixels = [{"pixels": np.full((3, 2, 2), i, np.float32)} for i in range(3)]
    assert mean_encoding(pixels)["pixels"].max() == 0


def test_the_answer_depends_on_the_post_alone(predictor: Predictor) -> None:
    posts = [post(*(picture(j) for j in range(i % 4))) for i in range(12)]
    alone = np.array([row(next(predictor.stream([one]))) for one in posts])
    for window in (1, 5, 128):
        np.testing.assert_allclose([row(one) for one in predictor.stream(posts, window=window)], alone, atol=1e-5)


def test_each_images_state_is_told_and_those_that_can_be_read_count(predictor: Predictor, tmp_path: Path) -> None:
    a, gone = picture(0), ImageRef(tmp_path / "gone.jpg")
    away, page = ImageUri(b"", "https://example.org/a.jpg"), ImageRef(b"<html>")
    cut = ImageRef(bytes(a.source)[:-400])
    answer = next(predictor.stream([post(gone, a, page, away, cut, gone)]))
    assert answer.used == {"text", "image"}
    assert list(answer.status) == [
        "image_not_found", "image_format_unknown", "image_not_fetched", "image_truncated"
    ]  # fmt: skip
    assert answer.details == (
        f"image 1: image_not_found (looked for {gone.source})",
        "image 3: image_format_unknown (web page (HTML))",
        "image 4 (https://example.org/a.jpg): image_not_fetched (--remote-images fetches it)",
        "image 5: image_truncated",
        f"image 6: image_not_found (looked for {gone.source})",
    )
    read = next(predictor.stream([post(a, cut)]))
    np.testing.assert_allclose(row(answer), row(read), atol=1e-6)
    nothing = next(predictor.stream([post(gone, page, text=None)]))
    assert list(nothing.status) == ["text_missing", "image_not_found", "image_format_unknown", "nothing_to_read"]
    assert nothing.needs_review


def test_more_images_than_are_read_are_told(predictor: Predictor) -> None:
    answer = next(predictor.stream([post(*[picture(0)] * (MAX_IMAGES + 2))]))
    assert list(answer.status) == ["image_too_large"]
    assert answer.details == (
        f"images {MAX_IMAGES + 1} to {MAX_IMAGES + 2}: not read; {MAX_IMAGES} a post are the most",
    )


def test_one_post_from_python_takes_a_list(predictor: Predictor, tmp_path: Path) -> None:
    paths = [tmp_path / "a.JPG", tmp_path / "b.jpg"]
    for seed, path in enumerate(paths):
        path.write_bytes(bytes(picture(seed).source))
    given = predictor.predict("what a day", [tmp_path / "a.jpg", str(paths[1])])
    np.testing.assert_allclose(row(given), row(next(predictor.stream([post(picture(0), picture(1))]))), atol=1e-6)
    assert given.status == ("ok",)
    with pytest.raises(DataError, match="found int"):
        predictor.predict("what a day", [5])  # type: ignore[list-item]


def test_what_is_explained_is_decoded_once_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Predictor(read_bundle(default_bundle()), threads=1, max_pixels=320 * 240)
    small, decoded = io.BytesIO(), []
    Image.new("RGB", (100, 50), "red").save(small, "PNG")
    large = io.BytesIO()
    Image.new("RGB", (400, 400), "blue").save(large, "PNG")
    decode = images.decode
    monkeypatch.setattr(images, "decode", lambda *given: decoded.append(given) or decode(*given))
    found = explain(limited, post(ImageRef(large.getvalue()), ImageRef(small.getvalue())), max_words=1, grid=2)
    assert found.regions is not None
    left, top, right, bottom = found.regions.seen
    assert (right - left) / (bottom - top) == pytest.approx(1 / 2)
    assert [header.size for header, *_ in decoded] == [(100, 50)]


def test_images_beside_the_weighed_one_are_encoded_once(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    several, encoded = post(*map(picture, range(4))), []
    reader = predictor._image
    assert reader is not None
    encode = reader.encode
    monkeypatch.setattr(
        reader, "encode", lambda inputs, outputs: encoded.append(len(inputs)) or encode(inputs, outputs)
    )
    found = explain(predictor, several, max_words=1, grid=3)
    assert sum(encoded) == 4 + 9
    assert found.regions is not None
    prepared = predictor.prepare(several)
    assert isinstance(prepared.pixels, np.ndarray)
    [greyed, *_] = module._occluded(prepared, 3)
    texts, [image] = predictor.encode([replace(prepared, pixels=greyed.pixels)])
    fall = max(row(found.prediction)) - predictor.score(texts, [image])[0, row(found.prediction).argmax()]
    assert found.regions.weights[0][0] == pytest.approx(fall, abs=1e-6)


def test_the_first_image_that_can_be_read_is_explained(predictor: Predictor, tmp_path: Path) -> None:
    several = post(ImageRef(tmp_path / "gone.jpg"), picture(0), picture(1))
    found = explain(predictor, several, grid=2)
    assert found.regions is not None
    left, top, right, bottom = found.regions.seen
    assert (right - left) / (bottom - top) == pytest.approx(240 / 320)  # of a picture of 320 x 240 the middle
    np.testing.assert_allclose(row(found.prediction), row(next(predictor.stream([several]))), atol=1e-6)
