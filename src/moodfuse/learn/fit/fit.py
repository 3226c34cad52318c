"""Training as every caller asks for it: all weights or low-rank updates, one model or the mean of several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from moodfuse.config import Config
from moodfuse.labels import Labels
from moodfuse.learn.batches import PostBatches
from moodfuse.learn.fit.adapters import low_rank
from moodfuse.learn.fit.callbacks import History
from moodfuse.learn.fit.checkpoints import MERGED, kept_checkpoint, save_model_state
from moodfuse.learn.fit.distributed import fit_distributed
from moodfuse.learn.fit.loop import FitResult
from moodfuse.learn.fit.loop import fit_one as fit_here
from moodfuse.learn.model import FusionModel
from moodfuse.progress import Progress, silent

_APART = 7_919  # between the seeds of members, so that those of neighbouring runs are not the same


def fit(
    model: FusionModel,
    train: PostBatches,
    validation: PostBatches | None,
    config: Config,
    labels: Labels,
    folder: Path | None,
    *,
    save_history: Callable[[History], None] = lambda _: None,
    progress: Progress = silent,
) -> FitResult:
    """Train `model` and leave it in its best state; checkpoints go to `folder`, and training resumes from there.

    Without a folder nothing is written, and nothing can be resumed. With `train.members` above 1 that many trainings
    start from the state that `model` comes in, each with an order of posts and a dropout of its own; `model` is left
    with the mean of their best weights, at the cost of one when it runs. Source: Wortsman et al., 2022, "Model soups".
    """
    count = config.train.members
    if count == 1:
        with low_rank(model.encoders, config.train.lora, config.seed):
            fit_one = fit_here if config.train.devices == 1 else fit_distributed
            result = fit_one(
                model, train, validation, config, labels, folder, save_history=save_history, progress=progress
            )
        _keep(model, folder, config)
        return result
    start = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    rows: History = []
    total: dict[str, Tensor] = {}
    for member in range(count):
        model.load_state_dict(start)
        one = config.model_copy(
            update={
                "seed": config.seed + member * _APART,
                "train": config.train.model_copy(update={"members": 1}),
            }
        )
        result = fit(
            model,
            train,
            validation,
            one,
            labels,
            folder and folder / f"member-{member}",
            save_history=lambda new, before=tuple(rows): save_history(_joined(before, new)),  # type: ignore[misc]
            progress=lambda what, done, all_, n=member: progress(f"{what}, model {n + 1} of {count}", done, all_),  # type: ignore[misc]
        )
        rows = _joined(rows, result.history)
        for key, tensor in model.state_dict().items():
            total[key] = total[key] + tensor if key in total else tensor.clone()
    model.load_state_dict({key: _mean(tensor, count) for key, tensor in total.items()})
    _keep(model, folder, config)
    return FitResult(rows, result.best_epoch + len(rows) - len(result.history), result.parameters)


def _keep(model: FusionModel, folder: Path | None, config: Config) -> None:
    """Write the weights that a training leaves, where none of its checkpoints holds them."""
    if folder and kept_checkpoint(config.train) == MERGED:
        save_model_state(folder / MERGED, model.state_dict())


def _joined(before: History | tuple[dict[str, float], ...], new: History) -> History:
    """Return the epochs of all members in one row, numbered through."""
    return [*before, *({**row, "epoch": row["epoch"] + len(before)} for row in new)]


def _mean(total: Tensor, count: int) -> Tensor:
    return total / count if total.is_floating_point() else torch.div(total, count, rounding_mode="floor")
