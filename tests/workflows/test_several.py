"""Several encoders a modality, a lexicon among them: from the configuration to a bundle that needs no PyTorch."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from one_cell import predict_cell
from PIL import Image

from moodfuse import files
from moodfuse.config import Config
from moodfuse.data import lexicon
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.errors import BundleError
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime import inputs as inputs_module
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Prediction, Predictor
from moodfuse.workflows.training import RunResult, train

IMAGES = ["efficientnet-lite0", "efficientnet-lite2"]


def config(recipe: str = "concat", *, folds: int = 5, **model: object) -> Config:
    settings = {"epochs": 4, "batch_size": 16}
    return resolve_config(recipe, overrides=[{"model": model, "train": settings, "split": {"folds": folds}}])


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:50]


@pytest.fixture(scope="module")
def result(posts: Posts, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    several = config(text=["minilm", str(tiny_bert), "vader"], image=IMAGES)
    return train(posts, several, name="several", runs=tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="module")
def predictor(result: RunResult) -> Predictor:
    return Predictor(result.bundle)


@pytest.fixture
def copy(result: RunResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(result.run.bundle, tmp_path / "moved"))


def reseal(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    files.write_json(folder / "manifest.json", manifest)
    files.write_text(folder / "manifest.sha256", files.sha256(folder / "manifest.json"))


def values(predictions: list[Prediction]) -> np.ndarray:
    return np.array([list(prediction.probabilities.values()) for prediction in predictions])


def test_the_bundle_holds_every_view_and_says_how_each_is_prepared(result: RunResult, tiny_bert: Path) -> None:
    manifest = result.bundle.manifest
    assert manifest.parity["probability"] <= 1e-4
    assert manifest.parity["posts"] == 10
    names = {path.name for path in result.bundle.folder.iterdir()}
    assert {"text.onnx", "text-2.onnx", "tokenizer.json", "tokenizer-2.json", "image.onnx", "image-2.onnx"} <= names
    assert "text-3.onnx" not in names
    assert [(view.encoder, view.kind) for view in manifest.views["text"]] == [
        ("minilm", "graph"),
        (str(tiny_bert), "graph"),
        ("vader", "lexicon"),
    ]
    assert [view.image.size for view in manifest.views["image"]] == [224, 260]  # type: ignore[union-attr]
    assert (manifest.text, manifest.image) == (manifest.views["text"][0].text, manifest.views["image"][0].image)
    assert manifest.encoders["image"] == "efficientnet-lite0 + efficientnet-lite2"
    card = (result.bundle.folder / "MODEL_CARD.md").read_text()
    assert "`efficientnet-lite0 + efficientnet-lite2` (image)" in card
    assert "moodfuse[lexicon]" in card


def test_the_head_is_as_wide_as_all_views_together(result: RunResult) -> None:
    # 384 of MiniLM, 16 of the tiny BERT, 4 scores; 1,280 twice; a weight for each of 3 classes, 3 biases, the tokens
    text, image = 384 + 16 + 4, 2 * 1280
    assert result.metrics.training.parameters == (text + image) * 3 + 3 + text + image


def test_a_post_alone_gets_the_answer_that_it_gets_among_others(predictor: Predictor, synthetic_folder: Path) -> None:
    posts = list(stream_posts(synthetic_folder))[:24]
    together = values(list(predictor.stream(posts)))
    alone = values([next(predictor.stream([post])) for post in posts[:6]])
    np.testing.assert_allclose(alone, together[:6], atol=1e-5)
    np.testing.assert_allclose(values(list(predictor.stream(posts[::-1], window=7)))[::-1], together, atol=1e-5)


def test_a_missing_modality_is_one_state_for_all_views(predictor: Predictor) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), (250, 210, 40)).save(buffer, "PNG")
    image = ImageRef(buffer.getvalue())
    posts = [
        Post("both", "what a great day", image),
        Post("text", "what a great day", None),
        Post("image", "https://t.co/x", image),  # nothing is left of the text, for any of its encoders
        Post("none", None, None),
    ]
    answers = list(predictor.stream(posts))
    assert [sorted(answer.used) for answer in answers] == [["image", "text"], ["text"], ["image"], []]
    assert answers[2].status == ("text_empty",)
    assert np.isfinite(values(answers)).all()


def test_an_image_is_decoded_once_for_all_views(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[ImageRef] = []
    once = inputs_module.look

    def count(image: ImageRef, **options: object) -> object:
        decoded.append(image)
        return once(image, **options)

    monkeypatch.setattr(inputs_module, "look", count)
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), (250, 210, 40)).save(buffer, "PNG")
    assert predictor.predict("what a great day", buffer.getvalue()).status == ("ok",)
    assert len(decoded) == 1


def test_a_text_that_any_view_cuts_is_said_to_be_cut(predictor: Predictor) -> None:
    # 30 tokens of MiniLM, but more letters than the tiny BERT has places for, and fewer than the lexicon reads
    assert predictor.predict("wonderful " * 30).status == ("text_truncated", "image_missing")
    assert predictor.predict("wonderful").status == ("image_missing",)


@pytest.mark.slow
def test_capitals_tell_the_lexicon_what_an_uncased_encoder_cannot_see(posts: Posts, tmp_path: Path) -> None:
    loud, plain = "the day is GREAT!", "the day is great!"
    without = Predictor(train(posts, config("text", text="minilm"), name="without", runs=tmp_path).bundle)
    assert without.predict(loud).probabilities == without.predict(plain).probabilities
    with_vader = train(posts, config("text", text=["minilm", "vader"]), name="with", runs=tmp_path)
    both = Predictor(with_vader.bundle)
    assert both.predict(loud).probabilities != both.predict(plain).probabilities
    assert "image.onnx" not in {path.name for path in with_vader.bundle.folder.iterdir()}


def test_planted_lexicon_words_decide_where_the_lexicon_stands_alone(tmp_path: Path) -> None:
    words = {
        "negative": ["horrible", "awful", "terrible", "sad", "hate", "ugly", "disaster"],
        "neutral": ["wooden", "metal", "square", "northern", "weekly", "printed", "parked"],
        "positive": ["wonderful", "great", "lovely", "happy", "love", "beautiful", "excellent"],
    }
    rows = [
        Post(f"{label}{i}", f"table {i * 7919 % 1000} by door {i}: {names[i % 7]}", None, label)
        for i in range(35)
        for label, names in words.items()
    ]
    settings = {"train": {"epochs": 60, "batch_size": 16}, "optim": {"lr": 0.05}, "split": {"folds": 5}}
    alone = resolve_config("text", overrides=[settings, {"model": {"text": "vader", "modality_dropout": 0.0}}])
    result = train(Posts(rows), alone, name="vader", runs=tmp_path)
    assert {path.name for path in result.bundle.folder.iterdir()} & {"text.onnx", "tokenizer.json"} == set()
    # None of these words stood in training: the lexicon has their signs.
    unseen = {
        "the trip was a miserable failure": "negative",
        "we drove to town": "neutral",
        "superb, thanks": "positive",
    }
    predictor = Predictor(result.bundle)
    assert {text: predictor.predict(text).label for text in unseen} == unseen


def test_cells_of_a_comparison_take_several(posts: Posts) -> None:
    several = config(text=["minilm", "vader"], image=IMAGES)
    found = predict_cell(posts, {post_id: i % 10 for i, post_id in enumerate(posts.ids)}, several, 0)
    tested = [i for i in range(len(posts)) if i % 10 in {0, 1}]
    assert np.isfinite(found[tested]).all()
    np.testing.assert_allclose(found[tested].sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("recipe", ["decision", "early"])
def test_other_fusions_of_vectors_take_several_texts(
    recipe: str, posts: Posts, tiny_bert: Path, tmp_path: Path
) -> None:
    names = ["vader", str(tiny_bert)]
    result = train(posts[:30], config(recipe, text=names), name=recipe, runs=tmp_path)
    assert result.bundle.manifest.parity["probability"] <= 1e-4
    assert [view.encoder for view in result.bundle.manifest.views["text"]] == names
    assert {"text-2.onnx", "tokenizer-2.json"} <= {path.name for path in result.bundle.folder.iterdir()}


@pytest.mark.parametrize("name", ["text-2.onnx", "image-2.onnx", "tokenizer-2.json"])
def test_a_file_of_a_further_view_that_the_manifest_lacks_is_named(copy: Path, name: str) -> None:
    listed = json.loads((copy / "manifest.json").read_text())["files"]
    reseal(copy, files={key: value for key, value in listed.items() if key != name})
    with pytest.raises(BundleError, match=f"lists no {name}"):
        read_bundle(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda views: {"text": []}, r"views\.text does not fit"),
        (lambda views: {"text": views["image"]}, r"views\.text does not fit"),
        (lambda views: {"text": views["text"][::-1]}, r"views\.text does not fit"),
        (
            lambda views: {"image": [view | {"kind": "lexicon"} for view in views["image"]]},
            "a lexicon, which reads texts",
        ),
    ],
)
def test_views_that_do_not_fit_are_refused(copy: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    reseal(copy, views=change(json.loads((copy / "manifest.json").read_text())["views"]))
    with pytest.raises(BundleError, match=said):
        read_bundle(copy)


def test_another_lexicon_than_the_bundles_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon.metadata, "version", lambda _: "3.2.1")
    with pytest.raises(
        BundleError, match=r"the lexicon of vaderSentiment==3\.3\.2, and vaderSentiment==3\.2\.1 here"
    ) as told:
        Predictor.load(copy)
    assert "\n" not in str(told.value)


def test_prediction_needs_no_pytorch_and_names_the_extra_where_the_lexicon_is_absent(copy: Path) -> None:
    code = (
        "import sys; from moodfuse.errors import MoodfuseError; from moodfuse.runtime.predictor import Predictor\n"
        "if sys.argv[2:]: sys.modules['vaderSentiment'] = None\n"
        "try: print(Predictor.load(sys.argv[1]).predict('what a great day').label, 'torch' in sys.modules)\n"
        "except MoodfuseError as error: print(error)"
    )

    def run(*args: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, str(copy), *args], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert run().endswith(" False")
    assert run("absent") == "vaderSentiment is not installed; pip install 'moodfuse[lexicon]'"
