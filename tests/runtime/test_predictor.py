"""Predictor: an answer for every post, in order, that depends on that post alone."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import moodfuse
from moodfuse.data.formats.readers import stream_posts
from moodfuse.data.posts import ImageRef, Post
from moodfuse.data.splits import Split
from moodfuse.errors import DataError
from moodfuse.evaluate.logits import softmax
from moodfuse.runtime.bundle import read_bundle, update_manifest
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.runtime.views import map_graphs


@pytest.fixture(scope="module")
def predictor(trained_run: Path) -> Predictor:
    return Predictor.load(trained_run)


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> list[Post]:
    return list(stream_posts(synthetic_folder))


def picture(size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (250, 210, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def values(predictions: list[Prediction]) -> np.ndarray:
    return np.array([list(prediction.probabilities.values()) for prediction in predictions])


def test_batch_order_and_window_change_nothing(predictor: Predictor, posts: list[Post]) -> None:
    together = values(list(predictor.stream(posts)))
    alone = values([next(predictor.stream([post])) for post in posts[:25]])
    np.testing.assert_allclose(alone, together[:25], atol=1e-5)
    backwards = values(list(predictor.stream(posts[::-1], window=7)))
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)


def test_every_row_gets_an_answer_in_order_whatever_is_wrong_with_it(predictor: Predictor) -> None:
    image = picture()
    posts = [
        Post("both", "what a lovely day", ImageRef(image)),
        Post("same", "what a lovely day", ImageRef(image)),
        Post("same", None, None),
        Post("text only", "what a lovely day", None),
        Post("image only", None, ImageRef(image)),
        Post("empty text", "  \n", ImageRef(image)),
        Post("zero bytes", "fine", ImageRef(b"")),
        Post("no image", "fine", ImageRef(b"<html>not an image</html>")),
        Post("gone", "fine", ImageRef(Path("/nonexistent/x.jpg"))),
        Post("long", "word " * 300_000, None),
        Post("lossy", "caf\ufffd", None, lossy=True),
    ]
    answers = list(predictor.stream(posts, window=4))
    assert [answer.id for answer in answers] == [post.id for post in posts]
    status = [list(answer.status) for answer in answers]
    assert status[0] == status[1] == ["ok"]
    assert status[2] == ["text_missing", "image_missing", "nothing_to_read"]
    assert status[3] == ["image_missing"]
    assert status[4] == ["text_missing"]
    assert status[5] == ["text_empty"]
    assert status[6] == ["image_unreadable"]
    assert status[7] == ["image_format_unknown"]
    assert status[8] == ["image_not_found"]
    assert answers[7].details == ("image_format_unknown: web page (HTML)",)
    assert answers[8].details == ("image_not_found: looked for /nonexistent/x.jpg",)
    assert status[9] == ["text_truncated", "image_missing"]
    assert status[10] == ["text_decoded_lossy", "image_missing"]
    assert [sorted(answer.used) for answer in answers[2:6]] == [[], ["text"], ["image"], ["image"]]
    assert np.isfinite(values(answers)).all()
    np.testing.assert_allclose(values(answers).sum(1), 1, atol=1e-6)
    assert answers[2].needs_review


def test_a_post_with_nothing_to_read_gets_the_training_shares(
    predictor: Predictor, posts: list[Post], trained_run: Path
) -> None:
    assert predictor.manifest.temperature != 1  # which the shares must not go through
    trained = set(Split.load(trained_run / "split.json").train_ids)
    labels = [post.label for post in posts if post.id in trained]
    shares = {name: labels.count(name) / len(labels) for name in predictor.labels.names}
    assert predictor.predict().probabilities == pytest.approx(shares, abs=1e-5)


def test_posts_of_one_modality_have_a_temperature_of_their_own(trained_run: Path, tmp_path: Path) -> None:
    bundle = read_bundle(shutil.copytree(read_bundle(trained_run).folder, tmp_path / "bundle"))
    assert set(bundle.manifest.temperatures) == {"text", "image"}  # as training has fitted them
    given = [("a fine day", None), (None, picture()), ("a fine day", picture()), (None, None)]

    def answers(**changes: object) -> list[np.ndarray]:
        model = Predictor(update_manifest(bundle, **changes))
        return [np.array(list(model.predict(*post).probabilities.values())) for post in given]

    whole = answers(temperature=1.0, temperatures={})
    text, image, both, nothing = answers(temperature=1.0, temperatures={"text": 2.0, "image": 0.5})
    np.testing.assert_allclose(text, softmax(np.log(whole[0]) / 2), rtol=1e-4)
    np.testing.assert_allclose(image, softmax(np.log(whole[1]) * 2), rtol=1e-4)
    np.testing.assert_array_equal([both, nothing], whole[2:])


def test_one_post_from_python(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    model = moodfuse.load(trained_run)
    from_path, from_bytes = model.predict("fine", tmp_path / "a.jpg"), model.predict("fine", picture())
    assert from_path == from_bytes
    assert from_path.label in from_path.probabilities
    assert from_path.confidence == max(from_path.probabilities.values())
    with pytest.raises(DataError, match="text: expected str"):
        model.predict(3)  # type: ignore[arg-type]


def test_the_stream_takes_no_more_posts_than_two_windows_ahead(predictor: Predictor) -> None:
    taken = 0

    def endless() -> Iterator[Post]:
        nonlocal taken
        while True:
            taken += 1
            yield Post(str(taken), "hello there", None)

    stream = predictor.stream(endless(), window=8)
    for _ in range(20):
        next(stream)
    assert taken <= 20 + 2 * 8
    stream.close()


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc/self/smaps")
def test_mapped_graphs_answer_the_same_and_their_weights_stay_in_the_file(
    predictor: Predictor, posts: list[Post], tmp_path: Path
) -> None:
    mapped = Predictor(predictor.bundle, graphs=map_graphs(predictor.bundle, tmp_path))
    np.testing.assert_allclose(
        values(list(mapped.stream(posts[:30]))), values(list(predictor.stream(posts[:30]))), atol=1e-6
    )
    lines = Path("/proc/self/smaps").read_text().splitlines()
    clean = 0  # kilobytes of the weights that are mapped and not copied
    inside = False
    for line in lines:
        name, _, rest = line.partition(":")
        if " " in name:
            inside = ".weights" in line
        elif inside and name == "Rss":
            clean += int(rest.split()[0])
    assert clean > 20_000


def test_a_sum_and_its_layer_norm_stay_two_steps_for_one_is_slower(predictor: Predictor, tmp_path: Path) -> None:
    graphs = map_graphs(predictor.bundle, tmp_path)
    assert b"LayerNormalization" in (graphs / "text.onnx").read_bytes()
    assert b"SkipLayerNormalization" not in (graphs / "text.onnx").read_bytes()


def test_a_text_of_unknown_tokens_is_marked_for_review_however_sure_the_answer(predictor: Predictor) -> None:
    texts = ["😡😡😡", "สวัสดีครับ วันนี้อากาศดีมาก", "what a lovely day 😡", "!!! 10/10", "short. " + "😡" * 30_000]
    image = picture()
    answers = list(predictor.stream([Post(str(i), text, ImageRef(image)) for i, text in enumerate(texts)]))
    assert [list(answer.status) for answer in answers] == [
        ["text_not_understood"],
        ["text_not_understood"],
        ["ok"],
        ["ok"],
        ["text_truncated", "text_not_understood"],
    ]
    bundle = replace(predictor.bundle, manifest=predictor.manifest.model_copy(update={"review_threshold": 0.0}))
    never = list(Predictor(bundle).stream([Post("a", texts[0]), Post("b", texts[2]), Post("c")]))
    assert [answer.needs_review for answer in never] == [True, False, True]
