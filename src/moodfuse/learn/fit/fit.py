"""Training for all callers: of all weights or low-rank updates, of one model or the mean of several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from moodfuse.config import Config
from moodfuse.learn.batches import Parts
from moodfuse.learn.fit.adapters import low_rank
from moodfuse.learn.fit.checkpoints import MERGED, kept_checkpoint, save_model_state
from moodfuse.learn.fit.history import SILENT, FitResult, History, Hooks
from moodfuse.learn.model import FusionModel

_APART = 7_919  # distance between the seeds of members, so that members of runs with neighbouring seeds differ


def fit(
    model: FusionModel, parts: Parts, config: Config, folder: Path | None = None, hooks: Hooks = SILENT
) -> FitResult:
    """Train `model` and leave it in its best state; checkpoints go to `folder`, and training resumes from there.

    Without a folder nothing is written, and nothing can be resumed. With `train.members` above 1, that many trainings
    start from the initial state of `model`, each with its own order of posts and dropout; `model` ends with the mean of
    their best weights, so it predicts at the cost of a single model. Source: Wortsman et al., 2022, "Model soups".
    """
    # Lightning takes seconds to import, which a process that fits nothing need not wait for.
    from moodfuse.learn.fit.distributed import fit_distributed
    from moodfuse.learn.fit.loop import fit_one

    count = config.train.members
    fit_member = fit_one if config.train.devices == 1 else fit_distributed
    start = _cloned(model.state_dict()) if count > 1 else {}
    total: dict[str, Tensor] = {}
    rows: History = []
    for number in range(count):
        if number:
            model.load_state_dict(start)
        own, place, told = _member(number, config, folder, hooks, rows)
        with low_rank(model.encoders, own.train.lora, own.seed):
            result = fit_member(model, parts, own, place, told)
        _keep(model, place, own)
        rows = _joined(rows, result.history)
        if count > 1:
            state = model.state_dict()
            total = {key: total[key] + tensor for key, tensor in state.items()} if total else _cloned(state)
    if count > 1:
        model.load_state_dict({key: _mean(tensor, count) for key, tensor in total.items()})
        _keep(model, folder, config)
    return FitResult(rows, result.best_epoch + len(rows) - len(result.history), result.parameters)


def _member(
    number: int, config: Config, folder: Path | None, hooks: Hooks, before: History
) -> tuple[Config, Path | None, Hooks]:
    """Return the configuration, folder and hooks of member `number`; unchanged if there is a single member.

    Its history comes after `before`, the epochs of the members before it.
    """
    count = config.train.members
    if count == 1:
        return config, folder, hooks

    def save_history(rows: History) -> None:
        hooks.save_history(_joined(before, rows))

    def progress(what: str, done: int, total: int) -> None:
        hooks.progress(f"{what}, model {number + 1} of {count}", done, total)

    alone = config.train.model_copy(update={"members": 1})
    own = config.model_copy(update={"seed": config.seed + number * _APART, "train": alone})
    return own, folder and folder / f"member-{number}", Hooks(save_history, progress)


def _keep(model: FusionModel, folder: Path | None, config: Config) -> None:
    """Write the final weights of a training if none of its checkpoints holds them."""
    if folder and kept_checkpoint(config.train) == MERGED:
        save_model_state(folder / MERGED, model.state_dict())


def _joined(before: History, new: History) -> History:
    """Return the epochs of all members as a single history, numbered consecutively."""
    return [*before, *({**row, "epoch": row["epoch"] + len(before)} for row in new)]


def _cloned(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in state.items()}


def _mean(total: Tensor, count: int) -> Tensor:
    return total / count if total.is_floating_point() else torch.div(total, count, rounding_mode="floor")
