"""Stacking: a fusion's last layer, fitted after training on logits for posts that the model had not seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor

from moodfuse.config import Config
from moodfuse.errors import TrainingError
from moodfuse.learn.batches import LengthBatches, PostBatches, loader
from moodfuse.learn.model import FusionModel
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.progress import Progress, silent

INNER_FOLDS = 5


def fit_stacker(
    model: FusionModel,
    data: TrainingData,
    groups: Sequence[int],
    config: Config,
    folder: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Fit the stacker of `model`'s fusion on out-of-fold logits of the training posts; without a stacker do nothing.

    The training is repeated five times on four fifths of these posts (on fewer parts if no label has five posts); a
    group of near-duplicates (`groups`: one number per training post) is never split. Each repetition chooses its best
    epoch on the validation posts, as `model` itself did, and writes its checkpoints to `folder`, if given. Raises
    `TrainingError` if every label has only one post. Source: Wolpert, 1992, "Stacked generalization".
    """
    stacker = model.fusion.stacker()
    if stacker is None:
        return
    targets = np.array([data.targets[row] for row in data.train])
    logits = np.zeros((len(targets), len(model.fusion.modalities) * len(config.labels)), np.float32)
    inner_folds = min(INNER_FOLDS, int(np.bincount(targets).max()), len(set(groups)))
    if inner_folds < 2:
        raise TrainingError(
            "model.options.rule=stacked: expected two training posts of some label or more, to fit the stacker on "
            "answers for posts not seen, found one of each; add posts, or take rule=average"
        )
    folds = StratifiedGroupKFold(inner_folds, shuffle=True, random_state=config.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels rarer than the parts: some part does without
        halved = list(folds.split(logits, targets, groups))
    for fold, halves in enumerate(halved):
        inside, outside = (replace(data, train=[data.train[i] for i in half]) for half in halves)
        outside = replace(outside, also=())
        inner, _ = fit_parts(inside, config, folder and folder / f"stacking-{fold}")
        logits[halves[1]] = _alone(inner, outside.parts().train)
        progress("stacking", fold + 1, inner_folds)
    fitted = LogisticRegression(max_iter=1_000).fit(logits, targets)
    with torch.no_grad():
        # A class without training posts keeps zero weights and a bias that never wins.
        stacker.weight.zero_()
        stacker.bias.fill_(-20.0)
        coefficients, intercept = _one_row_a_class(fitted)
        stacker.weight[fitted.classes_] = torch.from_numpy(coefficients).float()
        stacker.bias[fitted.classes_] = torch.from_numpy(intercept).float()


def _one_row_a_class(fitted: LogisticRegression) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (C, F) and biases (C,): for two classes scikit-learn keeps only the second row."""
    if len(fitted.classes_) > 2:
        return fitted.coef_, fitted.intercept_
    return np.concatenate([-fitted.coef_, fitted.coef_]) / 2, np.concatenate(
        [-fitted.intercept_, fitted.intercept_]
    ) / 2


@torch.no_grad()
def _alone(model: FusionModel, posts: PostBatches) -> np.ndarray:
    """Return the logits of each modality's classifier, (N, M x classes), in the order of the fusion's modalities."""
    found: list[Tensor] = []
    for batch in loader(posts, LengthBatches(len(posts), 256)):
        output = model(batch)
        each = {"text": output.text, "image": output.image}
        found.append(torch.cat([logits for m in model.fusion.modalities if (logits := each[m]) is not None], -1))
    return torch.cat(found).numpy()
