"""FusionClassifier, as somebody who knows scikit-learn would use it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from moodfuse import FusionClassifier, Post, Posts, read_posts
from moodfuse.data.splits import Split
from moodfuse.errors import BundleError, ConfigError, DataError, MoodfuseError, OutputError
from moodfuse.runtime.bundle import read_bundle, update_manifest
from moodfuse.settings import build_config, load_yaml

SETTINGS = {"train": {"epochs": 4, "batch_size": 16}, "model": {"fusion": "text"}}


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)


@pytest.fixture(scope="module")
def classifier(posts: Posts) -> FusionClassifier:
    return FusionClassifier("concat", config=SETTINGS, seed=2).fit(list(posts))


@pytest.fixture(scope="module")
def loaded(trained_run: Path) -> FusionClassifier:
    return FusionClassifier.load(trained_run)


def test_fit_predict_and_score(classifier: FusionClassifier, posts: Posts) -> None:
    assert classifier.classes_.tolist() == ["negative", "neutral", "positive"]
    labels, probabilities = classifier.predict(posts), classifier.predict_proba(posts)
    assert labels.shape == (120,)
    assert probabilities.shape == (120, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert (classifier.classes_[probabilities.argmax(1)] == labels).all()
    assert np.mean(labels == np.array(posts.labels)) > 0.5  # a strong signal is planted
    assert classifier.metrics_["training"]["seed"] == 2
    assert classifier.metrics_["training"]["fusion"] == "text"
    scores = classifier.evaluate(posts)
    assert scores["n"] + scores["seen_in_training"] == 120
    assert scores["accuracy"] == classifier.metrics_["test"]["accuracy"]


def test_a_path_a_list_posts_and_a_generator_are_all_posts(
    loaded: FusionClassifier, posts: Posts, synthetic_folder: Path
) -> None:
    def one_by_one() -> Iterator[Post]:
        yield from posts[:5]

    expected = loaded.predict(posts[:5])
    assert loaded.predict(list(posts)[:5]).tolist() == expected.tolist()
    assert loaded.predict(one_by_one()).tolist() == expected.tolist()
    # a folder's unlabelled part is what `moodfuse predict` reads
    unlabelled = (synthetic_folder / "test_without_label.txt").read_text().splitlines()[1:]
    assert [p.id for p in loaded.predictions(synthetic_folder)] == [line.split(",")[0] for line in unlabelled]
    assert len(loaded.predict(str(synthetic_folder / "train.txt"))) == 120


def test_repeated_ids_pass_through_prediction_and_are_refused_in_training(
    loaded: FusionClassifier, posts: Posts, tmp_path: Path
) -> None:
    twice = [posts[0], replace(posts[1], id=posts[0].id), posts[0]]
    assert [prediction.id for prediction in loaded.predictions(twice)] == [posts[0].id] * 3
    (tmp_path / "twice.csv").write_text("id,text\n7,fine\n7,bad\n")
    assert len(loaded.predict(tmp_path / "twice.csv")) == 2
    with pytest.raises(DataError, match="more than one post"):
        FusionClassifier(config=SETTINGS).fit(twice)


def test_no_posts_give_empty_answers_of_the_right_shape(loaded: FusionClassifier) -> None:
    assert loaded.predict([]).shape == (0,)
    assert loaded.predict([]).dtype == loaded.classes_.dtype
    assert loaded.predict_proba([]).shape == (0, 3)


def test_what_is_no_post_is_told_as_that(loaded: FusionClassifier, posts: Posts) -> None:
    with pytest.raises(DataError, match=r"expected moodfuse\.Post objects or a path, found int"):
        loaded.predict([7])
    with pytest.raises(DataError, match=r"post '\w+': unknown label 'great'"):
        loaded.evaluate([Post("new", "never seen before", label="great")])
    with pytest.raises(DataError, match="unknown label 'great'"):
        FusionClassifier(config=SETTINGS).fit([replace(posts[0], label="great"), *posts[1:]])
    with pytest.raises(DataError, match="no post has a label"):
        FusionClassifier(config=SETTINGS).fit([replace(post, label=None) for post in posts])


def test_before_fit_everything_says_what_to_do(posts: Posts) -> None:
    fresh = FusionClassifier()
    for ask in (fresh.predict, fresh.predict_proba, fresh.evaluate):
        with pytest.raises(MoodfuseError, match=r"not trained yet; call fit"):
            ask(posts)
    with pytest.raises(MoodfuseError, match="not trained yet"):
        fresh.save("nowhere")
    assert not hasattr(fresh, "classes_")


def test_save_and_load_give_the_same_probabilities(classifier: FusionClassifier, posts: Posts, tmp_path: Path) -> None:
    before = classifier.predict_proba(posts[:20])
    assert classifier.save(tmp_path / "model") == tmp_path / "model"
    again = FusionClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(posts[:20]), before)
    assert again.classes_.tolist() == classifier.classes_.tolist()
    again.save(tmp_path / "model")  # a bundle may be replaced, also by itself
    np.testing.assert_array_equal(FusionClassifier.load(tmp_path / "model").predict_proba(posts[:20]), before)
    with pytest.raises(BundleError, match="no bundle here"):
        FusionClassifier.load(tmp_path)


def test_what_was_loaded_trains_the_same_system_again(classifier: FusionClassifier, tmp_path: Path) -> None:
    again = FusionClassifier.load(classifier.save(tmp_path / "model"))
    trained = classifier.resolved_config()
    assert (trained.model.fusion, trained.train.epochs, trained.seed) == ("text", 4, 2)
    assert again.resolved_config() == trained
    assert clone(again).resolved_config() == trained
    assert again.set_params(seed=7).resolved_config() == trained.model_copy(update={"seed": 7})


def test_an_older_bundle_is_trained_again_by_the_configuration_beside_it(trained_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run"))
    bundle = read_bundle(run)
    training = {key: value for key, value in bundle.manifest.training.items() if key != "configuration"}
    update_manifest(bundle, training=training)
    assert FusionClassifier.load(run).resolved_config() == build_config([load_yaml(run / "config.yaml")])
    alone = FusionClassifier.load(shutil.copytree(run / "bundle", tmp_path / "alone"))
    assert len(alone.predict([Post("0", "fine")])) == 1
    with pytest.raises(ConfigError, match=r"does not say how it was trained; set_params\(recipe=\.\.\.\)"):
        alone.resolved_config()
    assert alone.set_params(recipe="gated").resolved_config().model.fusion == "gated"


def test_save_never_wipes_a_folder_that_is_no_bundle(loaded: FusionClassifier, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(OutputError, match="expected a new folder or a bundle"):
            loaded.save(target)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_run_folder_of_ones_own_is_kept_and_not_trained_twice(posts: Posts, trained_run: Path) -> None:
    settings = {"train": {"epochs": 12, "batch_size": 16}}
    named = FusionClassifier("concat", config=settings, seed=1, run=trained_run).fit(posts)
    assert named.metrics_["test"]["n"] == len(Split.load(trained_run / "split.json").test_ids)
    with pytest.raises(ConfigError, match="another configuration"):
        FusionClassifier("concat", config=settings, seed=5, run=trained_run).fit(posts)


def test_parameters_as_scikit_learn_has_them() -> None:
    made = FusionClassifier("gated", config={"optim": {"lr": 0.1}}, seed=3, run="somewhere")
    assert made.get_params() == {
        "recipe": "gated", "config": {"optim": {"lr": 0.1}}, "seed": 3, "run": "somewhere",
    }  # fmt: skip
    copy = clone(made)
    assert copy is not made
    assert copy.get_params() == made.get_params()
    assert made.set_params(seed=4) is made
    assert made.resolved_config().seed == 4
    assert made.resolved_config().optim.lr == 0.1
    with pytest.raises(ConfigError, match="no parameter 'sead'; it has recipe"):
        made.set_params(sead=1)
    with pytest.raises(ConfigError, match="unknown recipe"):
        FusionClassifier("gatd").resolved_config()
