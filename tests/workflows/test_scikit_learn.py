"""FusionClassifier where scikit-learn expects a classifier: folds, grids, pipelines, ensembles, pickles."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.validation import check_is_fitted

from moodfuse import FusionClassifier, Posts, read_posts
from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.errors import ConfigError, DataError

#: The quickest there is: the lexicon's four scores of the text.
SETTINGS = {"model": {"text": ["vader"]}, "train": {"epochs": 1, "batch_size": 16}, "split": {"folds": 3}}


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Posts:
    folder = tmp_path_factory.mktemp("few") / "posts"
    return read_posts(write_synthetic(folder, posts=36, unlabelled=1, signals=Signals(text=0.9, image=0.9), seed=3))


@pytest.fixture(scope="module")
def pairs(posts: Posts) -> list[tuple[str | None, Any]]:
    return [(post.text, None if post.image is None else post.image.source) for post in posts]


@pytest.fixture(scope="module")
def frame(pairs: list[tuple[str | None, Any]]) -> pd.DataFrame:
    images = [None if image is None else str(image) for _, image in pairs]
    return pd.DataFrame({"tweet": [text for text, _ in pairs], "photo": images})


@pytest.fixture(scope="module")
def y(posts: Posts) -> np.ndarray:
    return np.array(posts.labels)


@pytest.fixture
def quick() -> FusionClassifier:
    return FusionClassifier("text", config=SETTINGS)


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame, y: np.ndarray) -> FusionClassifier:
    return FusionClassifier("text", config=SETTINGS).fit(frame, y)


@pytest.fixture(scope="module")
def loaded(trained_run: Path) -> FusionClassifier:
    return FusionClassifier.load(trained_run)


def test_posts_come_in_many_shapes(
    loaded: FusionClassifier, posts: Posts, pairs: list[tuple[str | None, Any]], frame: pd.DataFrame
) -> None:
    def one_by_one() -> Iterator[tuple[str | None, Any]]:
        yield from pairs

    expected = loaded.predict_proba(posts)
    mappings = [{"text": text, "image": image} for text, image in pairs]
    for X in (pairs, frame, mappings, one_by_one(), [list(pair) for pair in pairs]):
        np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-6)
    texts = [text for text, _ in pairs]
    expected = loaded.predict_proba([post.only("text") for post in posts])
    for X in (texts, tuple(texts), frame["tweet"], np.array(texts, dtype=object)):
        np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-6)
    nothing = [None, float("nan"), ("", None)]
    assert all("nothing_to_read" in one.status for one in loaded.predictions(nothing))
    assert len(loaded.predict(pd.Series(["fine", None, pd.NA]))) == 3
    with pytest.raises(DataError, match="found tuple; texts, pairs"):
        loaded.predict([("text", "image", "label")])


def test_classes_are_those_of_y(quick: FusionClassifier, frame: pd.DataFrame, y: np.ndarray) -> None:
    polar = y == "positive"
    quick.fit(frame, polar)
    assert quick.classes_.tolist() == [False, True]
    assert quick.predict(frame).dtype == bool
    probabilities, lead = quick.predict_proba(frame), quick.decision_function(frame)
    assert (probabilities.shape, lead.shape) == ((36, 2), (36,))
    np.testing.assert_allclose(1 / (1 + np.exp(-lead)), probabilities[:, 1], atol=1e-6)
    names = np.where(polar, "a good one", "a bad one")
    assert quick.fit(frame, names).classes_.tolist() == ["a bad one", "a good one"]
    assert set(quick.predict(frame)) <= {"a bad one", "a good one"}
    assert quick.score(frame, names) == np.mean(quick.predict(frame) == names)
    scores = quick.evaluate(frame, names)
    assert scores["n"] + scores["seen_in_training"] == 36


def test_labels_declared_in_another_order_keep_their_columns(frame: pd.DataFrame, y: np.ndarray) -> None:
    declared = FusionClassifier("text", config={**SETTINGS, "labels": ["positive", "neutral", "negative"]})
    labelled = frame.assign(label=y)
    declared.fit(labelled)
    assert declared.classes_.tolist() == ["negative", "neutral", "positive"]
    told = [prediction.probabilities for prediction in declared.predictions(labelled)]
    np.testing.assert_array_equal(
        declared.predict_proba(labelled), [[one[c] for c in declared.classes_] for one in told]
    )
    assert declared.predict(labelled).tolist() == [max(one, key=lambda name: one[name]) for one in told]
    assert declared.score(labelled) == np.mean(declared.predict(labelled) == y)


def test_a_misspelt_label_never_becomes_a_class(quick: FusionClassifier, frame: pd.DataFrame, y: np.ndarray) -> None:
    misspelt = y.astype(object)
    misspelt[0] = "positve"
    with pytest.raises(ValueError, match=r"y: unknown label 'positve'; did you mean positive\?") as told:
        quick.fit(frame, misspelt)
    assert isinstance(told.value, DataError)
    declared = FusionClassifier("text", config={**SETTINGS, "labels": ["good", "bad"]})
    with pytest.raises(DataError, match="unknown label 'negative'; known: bad, good; or declare it: config="):
        declared.fit(frame, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["positive"] * 36, "two classes or more, found one class: positive"),
        (["positive", "negative"], "found 36 posts in X and 2 labels in y"),
        ([None, *["positive", "negative"] * 17, "negative"], "found none for the post at 0"),
        (np.linspace(0, 1, 36), "continuous"),
    ],
)
def test_what_is_wrong_with_y_is_told(quick: FusionClassifier, frame: pd.DataFrame, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick.fit(frame, y)


def test_columns_are_the_features_of_a_data_frame(
    fitted: FusionClassifier, quick: FusionClassifier, pairs: list[tuple[str | None, Any]], frame: pd.DataFrame, y: Any
) -> None:
    assert (fitted.n_features_in_, fitted.feature_names_in_.tolist()) == (2, ["tweet", "photo"])
    quick.fit(frame, y).fit(pairs, y)
    assert not hasattr(quick, "n_features_in_")
    assert not hasattr(quick, "feature_names_in_")


def test_it_is_a_classifier_that_takes_no_table_of_numbers(fitted: FusionClassifier) -> None:
    assert is_classifier(fitted)
    tags = get_tags(FusionClassifier())
    assert not tags.input_tags.two_d_array
    assert not tags.target_tags.required
    check_is_fitted(fitted)
    with pytest.raises(NotFittedError, match="not trained yet"):
        FusionClassifier().predict(["fine"])
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(fitted))
    assert "FusionClassifier" in estimator_html_repr(fitted)
    assert repr(FusionClassifier("gated", seed=3)) == "FusionClassifier(recipe='gated', seed=3)"


def test_single_settings_are_parameters() -> None:
    given = {"optim": {"lr": 0.1}}
    made = FusionClassifier("gated", config=given).set_params(config__optim__lr=0.2, config__train__epochs=3, seed=4)
    assert made.config == {"optim": {"lr": 0.2}, "train": {"epochs": 3}}
    assert given == {"optim": {"lr": 0.1}}
    assert (made.resolved_config().optim.lr, made.resolved_config().train.epochs) == (0.2, 3)
    assert FusionClassifier().set_params(config__seed=1, config={"optim": {"lr": 0.3}}).config == {
        "optim": {"lr": 0.3},
        "seed": 1,
    }
    for name in ("seed__x", "confg__optim__lr"):
        with pytest.raises(ConfigError, match=f"no parameter {name!r}; it has recipe"):
            made.set_params(**{name: 1})
    with pytest.raises(ConfigError, match="did you mean"):
        made.set_params(config__optim__lrr=1).resolved_config()


def test_folds(quick: FusionClassifier, posts: Posts, pairs: list[tuple[str | None, Any]], y: np.ndarray) -> None:
    assert cross_val_score(quick, posts, y, cv=2, error_score="raise").shape == (2,)
    probabilities = cross_val_predict(quick, pairs, y, cv=2, method="predict_proba")
    assert probabilities.shape == (36, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.slow
def test_a_grid_in_a_pipeline(quick: FusionClassifier, frame: pd.DataFrame, y: np.ndarray) -> None:
    pipeline = Pipeline([("model", quick)])
    grid = GridSearchCV(pipeline, {"model__config__optim__lr": [1e-3, 3e-2]}, cv=2, error_score="raise").fit(frame, y)
    assert grid.best_estimator_["model"].config["optim"]["lr"] == grid.best_params_["model__config__optim__lr"]
    assert grid.classes_.tolist() == ["negative", "neutral", "positive"]
    assert (grid.predict(frame[:5]) == grid.classes_[grid.predict_proba(frame[:5]).argmax(1)]).all()
    assert quick.config == SETTINGS


def test_calibration_and_a_vote(
    fitted: FusionClassifier, quick: FusionClassifier, frame: pd.DataFrame, y: np.ndarray
) -> None:
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(frame, y)
    assert calibrated.predict_proba(frame).shape == (36, 3)
    vote = VotingClassifier([("one", quick), ("other", clone(quick).set_params(seed=1))], voting="soft").fit(frame, y)
    assert set(vote.predict(frame)) <= set(y)


COPIES: dict[str, Callable[[FusionClassifier, Path], FusionClassifier]] = {
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),  # noqa: S301
    "cloudpickle": lambda model, _: cloudpickle.loads(cloudpickle.dumps(model)),
    "joblib": lambda model, path: joblib.load(joblib.dump(model, path)[0]),
    "copy": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_holds_its_model(fitted: FusionClassifier, frame: pd.DataFrame, tmp_path: Path, how: str) -> None:
    first = copy.deepcopy(fitted)
    again, folder = COPIES[how](first, tmp_path / "model"), first.predictor.bundle.folder
    del first
    assert not folder.exists()  # it was that object's own
    np.testing.assert_array_equal(again.predict_proba(frame), fitted.predict_proba(frame))
    assert again.metrics_ == fitted.metrics_
    assert again.evaluate(frame, fitted.predict(frame))["seen_in_training"] > 0
    assert again.save(tmp_path / "bundle").is_dir()


def test_a_fit_that_fails_leaves_what_was_trained(fitted: FusionClassifier, frame: pd.DataFrame, y: np.ndarray) -> None:
    mine = copy.deepcopy(fitted)
    with pytest.raises(DataError):
        mine.fit(frame[:4], y[:4])
    assert mine.predict(frame).tolist() == fitted.predict(frame).tolist()
    assert len(pickle.dumps(mine)) > 1000
