"""One cell in memory, without a comparison around it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from moodfuse.config import Config
from moodfuse.data.posts import Posts
from moodfuse.labels import Labels
from moodfuse.learn.compare.cell import CellData, run_cell
from moodfuse.learn.compare.work import cell_parts
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.parts import label_ids


def predict_cell(posts: Posts, folds: Mapping[str, int], config: Config, pair: int) -> np.ndarray:
    """Return probabilities (N, C) of one of the five cells; rows of untested posts are NaN."""
    labels = Labels(config.labels)
    row = {post_id: i for i, post_id in enumerate(posts.ids)}
    parts = cell_parts(folds, pair, chooses=config.train.monitor != "none")
    rows = {part: [row[i] for i in ids] for part, ids in parts.items()}
    probabilities = np.full((len(posts), len(labels)), np.nan)
    with feature_folder(posts, [config]) as features:
        data = CellData(label_ids(posts, labels), range(len(posts)), features)
        probabilities[rows["test"]] = run_cell(config, data, rows).probabilities[""]
    return probabilities
