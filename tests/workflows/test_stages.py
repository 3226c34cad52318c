"""Two-stage training: one split throughout, and a refusal where stages of different runs would leak."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from moodfuse import Predictor
from moodfuse.config import Config
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, DataError
from moodfuse.labels import SENTIMENT
from moodfuse.learn.parts import build_model, open_data
from moodfuse.learn.recipes import resolve_config
from moodfuse.workflows.comparison.run import compare
from moodfuse.workflows.training import RunResult, train


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:60]


def config(text: str | list[str], recipe: str = "concat", **train_settings: object) -> Config:
    settings = {"epochs": 2, "batch_size": 16, "precision": "fp32"} | train_settings
    model = {"text": text, "modality_dropout": 0.0}
    return resolve_config(
        recipe, overrides=[{"model": model, "train": settings, "split": {"folds": 5}, "optim": {"encoder_lr": 1e-2}}]
    )


@pytest.fixture(scope="module")
def tuned_run(tiny_bert: Path, posts: Posts, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A text model, trained end to end: what a first stage of one's own would be."""
    return train(
        posts, config(str(tiny_bert), "text", regime="end_to_end"), name="text", runs=tmp_path_factory.mktemp("stages")
    )


@pytest.mark.slow
def test_the_encoder_trains_first_and_the_head_on_what_it_became(tiny_bert: Path, posts: Posts, tmp_path: Path) -> None:
    result = train(posts, config(str(tiny_bert), regime="two_stage", stage_epochs=2), name="two", runs=tmp_path)
    assert len((result.run.path / "history-text.csv").read_text().splitlines()) == 1 + 2
    assert len(result.run.history.read_text().splitlines()) == 1 + 2
    frozen = train(posts, config(str(tiny_bert)), name="frozen", runs=tmp_path)
    tuned, before = ((run.bundle.path("text.onnx")).read_bytes() for run in (result, frozen))
    assert tuned != before
    assert result.bundle.manifest.parity["probability"] <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"members": 2}, {"monitor": "none", "patience": 0}])
def test_a_stage_leaves_the_mean_of_its_members_or_its_last_state(
    tiny_bert: Path, posts: Posts, tmp_path: Path, settings: dict[str, object]
) -> None:
    """Neither has a best epoch of its own: what the stage leaves is found where it was written, by another run too."""
    staged = config(str(tiny_bert), regime="two_stage", stage_epochs=1, **({"epochs": 1} | settings))
    first = train(posts, staged, name="first", runs=tmp_path)
    again = train(posts, config(str(first.run.path)), name="again", runs=tmp_path, split_file=first.run.split)
    assert again.bundle.path("text.onnx").read_bytes() == first.bundle.path("text.onnx").read_bytes()


@pytest.mark.parametrize("labels", [("negative", "neutral", "positive"), ("positive", "neutral", "negative")])
def test_an_own_head_starts_as_the_classifier_that_its_encoder_was_taught_with(
    tuned_run: RunResult, posts: Posts, labels: tuple[str, ...]
) -> None:
    """Before any step, a post without its image gets the answer of the run that taught the encoder."""
    own = {"labels": labels, "model": {"auxiliary": 0.3, "one_modality": "auxiliary", "dropout": 0.0}}
    settings = resolve_config("concat", overrides=[{"model": {"text": str(tuned_run.run.path)}}, own])
    few = posts[:12].labelled()
    data = open_data(few, {"train": few.ids[:8], "validation": few.ids[8:]}, settings)
    part = data.parts().validation
    batch = replace(part.load(part.rows), image_present=torch.zeros(len(part.rows), dtype=torch.bool))
    with torch.no_grad():
        got = build_model(settings, data).eval()(batch).logits.softmax(-1).numpy()
    calibrated = [list(answer.probabilities.values()) for answer in Predictor(tuned_run.bundle).stream(few[8:])]
    taught = np.array(calibrated) ** tuned_run.bundle.manifest.temperature
    assert np.allclose(got, taught / taught.sum(1, keepdims=True), atol=1e-3) == (labels == SENTIMENT.names)


def test_an_encoder_of_another_run_is_refused_on_another_split(
    tuned_run: RunResult, posts: Posts, tmp_path: Path
) -> None:
    other = config(str(tuned_run.run.path)).model_copy(update={"split": tuned_run_split(seed=7)})
    with pytest.raises(DataError, match=r"was trained or chosen on \d+ of the \d+ posts.*--split .*split\.json"):
        train(posts, other, name="leaky", runs=tmp_path)


def tuned_run_split(seed: int) -> object:
    return resolve_config(overrides=[{"split": {"folds": 5, "seed": seed}}]).split


def test_an_encoder_of_another_run_is_taken_on_the_same_split(
    tuned_run: RunResult, posts: Posts, tmp_path: Path
) -> None:
    result = train(posts, config(str(tuned_run.run.path)), name="second", runs=tmp_path, split_file=tuned_run.run.split)
    assert result.bundle.path("text.onnx").read_bytes() == tuned_run.bundle.path("text.onnx").read_bytes()


def test_an_encoder_of_another_run_stands_beside_others_on_the_same_split_alone(
    tuned_run: RunResult, posts: Posts, tmp_path: Path
) -> None:
    beside = config([str(tuned_run.run.path), "vader"])
    result = train(posts, beside, name="beside", runs=tmp_path, split_file=tuned_run.run.split)
    assert result.bundle.path("text.onnx").read_bytes() == tuned_run.bundle.path("text.onnx").read_bytes()
    assert [view.kind for view in result.bundle.manifest.views["text"]] == ["graph", "lexicon"]
    with pytest.raises(DataError, match="was trained or chosen on"):
        train(posts, beside.model_copy(update={"split": tuned_run_split(seed=7)}), name="leaky", runs=tmp_path)


def test_a_comparison_takes_an_encoder_that_has_seen_none_of_its_posts(
    tuned_run: RunResult, posts: Posts, synthetic_folder: Path, tmp_path: Path
) -> None:
    settings = [{"model": {"text": str(tuned_run.run.path)}, "train": {"epochs": 1, "patience": 0}}]
    others = Posts(post for post in read_posts(synthetic_folder).labelled() if post.id not in posts.ids)
    run = {"fusions": ["concat"], "overrides": settings, "seeds": 1, "folds": 2, "workers": 1, "comparisons": tmp_path}
    assert compare(others, **run).rows[0].model == "concat"
    with pytest.raises(DataError, match="was trained or chosen on"):
        compare(Posts([*others, posts[5]]), name="leaky", **run)
    with pytest.raises(DataError, match="or their near-duplicates"):
        compare(Posts([*others, replace(posts[5], text=f"RT @a: {posts[5].text} !")]), name="near", **run)


def test_one_encoder_trains_beside_several_of_the_other_modality(tiny_bert: Path, posts: Posts, tmp_path: Path) -> None:
    tuning = config(str(tiny_bert), regime="end_to_end")
    images = tuning.model.model_copy(update={"image": ("efficientnet-lite0", "efficientnet-lite2")})
    result = train(posts[:30], tuning.model_copy(update={"model": images}), name="mixed", runs=tmp_path)
    assert result.bundle.manifest.parity["probability"] <= 1e-4
    assert "image-2.onnx" in {path.name for path in result.bundle.folder.iterdir()}


def test_a_run_that_tuned_no_encoder_has_none_to_give(trained_run: Path, posts: Posts, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has fine-tuned no text encoder"):
        train(posts, config(str(trained_run)), name="none", runs=tmp_path)
