"""MoodTransformer: a bundle's vectors as features of scikit-learn, without PyTorch."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from moodfuse import MoodTransformer, Posts, load, read_posts
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import read_bundle, update_manifest


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:60]


@pytest.fixture(scope="module")
def transformer() -> MoodTransformer:
    return MoodTransformer().fit()


def test_vectors_of_text_and_image_stand_side_by_side(transformer: MoodTransformer, posts: Posts) -> None:
    vectors = transformer.transform(posts)
    names = transformer.get_feature_names_out()
    assert (vectors.dtype, vectors.shape) == (np.float32, (60, len(names)))
    assert (names[0], names[383], names[384], names[-1]) == ("text_0", "text_383", "image_0", "image_1279")
    predictor = load()
    prepared = [predictor.prepare(post) for post in posts[:8]]
    text, image = predictor.encode(prepared)  # what the bundle's own head reads
    np.testing.assert_allclose(vectors[:8, :384], [one["pooled"] for one in text if one], atol=1e-5)
    np.testing.assert_allclose(vectors[:8, 384:], [one["pooled"] for one in image if one], atol=1e-4)


def test_what_is_missing_is_zeros_and_nothing_else(transformer: MoodTransformer, posts: Posts) -> None:
    post = posts[0]
    both, text, image, none = transformer.transform(
        [post, post.only("text"), post.only("image"), replace(post.only("text"), text=None)]
    )
    assert both[:384].any()
    assert both[384:].any()
    np.testing.assert_allclose(text, np.r_[both[:384], np.zeros(1280)], atol=1e-5)
    np.testing.assert_allclose(image, np.r_[np.zeros(384), both[384:]], atol=1e-4)
    assert not none.any()
    assert transformer.transform([]).shape == (0, 1664)


@pytest.mark.slow
def test_it_stands_before_any_estimator(posts: Posts) -> None:
    images = [None if post.image is None else str(post.image.source) for post in posts]
    frame = pd.DataFrame({"text": [post.text for post in posts], "image": images})
    pipeline = make_pipeline(MoodTransformer(), LogisticRegression(max_iter=1000))
    scores = cross_val_score(pipeline, frame, posts.labels, cv=2, error_score="raise")
    assert scores.mean() > 0.6  # a strong signal is planted
    pipeline.fit(frame, posts.labels)
    again = pickle.loads(pickle.dumps(pipeline))  # noqa: S301
    assert again.predict(frame).tolist() == pipeline.predict(frame).tolist()
    assert pipeline[:-1].get_feature_names_out().shape == (1664,)


def test_any_bundle_will_do_and_a_copy_takes_no_other(text_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(text_run / "bundle", tmp_path / "bundle"))
    fitted = MoodTransformer(folder).set_output(transform="pandas").fit()
    frame = fitted.transform(["fine", "bad"])
    assert frame.columns.tolist() == [f"text_{at}" for at in range(384)]
    copy = pickle.dumps(fitted)
    pd.testing.assert_frame_equal(pickle.loads(copy).transform(["fine", "bad"]), frame)  # noqa: S301
    update_manifest(read_bundle(folder), name="another")
    with pytest.raises(BundleError, match="holds another model than the one that this MoodTransformer was fitted with"):
        pickle.loads(copy).transform(["fine"])  # noqa: S301
    assert len(clone(fitted).fit().transform(["fine"])) == 1


def test_before_fit_it_says_so() -> None:
    for ask in (lambda one: one.transform(["fine"]), lambda one: one.get_feature_names_out()):
        with pytest.raises(NotFittedError, match="MoodTransformer instance is not fitted yet"):
            ask(MoodTransformer())


def test_it_needs_no_pytorch() -> None:
    code = (
        "import sys\nfrom moodfuse import MoodTransformer\n"
        "MoodTransformer().fit_transform(['fine'])\nprint({'torch', 'transformers', 'lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
