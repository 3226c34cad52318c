"""Posts of several images in a cell of a comparison: a cell predicts what the bundle of its model would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_images_in_training import picture, post

from moodfuse.data.posts import Post, Posts
from moodfuse.labels import SENTIMENT
from moodfuse.learn.bundling import export_bundle
from moodfuse.learn.compare.cell import CellData, run_cell
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.parts import label_ids
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import update_manifest
from moodfuse.runtime.predictor import Predictor

TUNED = {"train": {"regime": "end_to_end", "tune": ["image"]}}


def some_posts() -> Posts:
    made = [post(str(i), picture(i), *([picture(i + 20)] if i % 4 == 3 else [])) for i in range(12)]
    return Posts(
        [Post(p.id, "a day", p.image, SENTIMENT.names[i % 3], more_images=p.more_images) for i, p in enumerate(made)]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("image", TUNED),
        ("image", TUNED | {"export": {"image": "fp16"}}),
        ("early", {}),
    ],
)
def test_a_cell_predicts_posts_of_two_images_as_its_bundle_does(
    recipe: str, settings: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    training = {"epochs": 1, "batch_size": 4, "precision": "fp32"} | settings.get("train", {})
    config = resolve_config(recipe, overrides=[settings | {"train": training}])
    posts = some_posts()
    rows = {"train": range(6), "validation": range(6, 8), "test": range(8, 12)}
    with feature_folder(posts, [config]) as features:
        data = CellData(label_ids(posts, SENTIMENT), range(len(posts)), features)
        cell = run_cell(config, data, rows)
        fitted = cell.fitted
        bundle = export_bundle(fitted.model, fitted.modalities, config, tmp_path / "b", posts[8:], name="b")
    predictor = Predictor(update_manifest(bundle, temperature=cell.temperature))
    said = [list(one.probabilities.values()) for one in predictor.stream(posts[8:])]
    np.testing.assert_allclose(cell.probabilities[""], said, atol=1e-4)
