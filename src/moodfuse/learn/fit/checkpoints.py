"""Checkpoints without pickle: one safetensors file, whose header holds everything except tensors as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from moodfuse import files
from moodfuse.config import TrainConfig
from moodfuse.errors import TrainingError

_TENSOR, _PAIRS, _TUPLE = "__tensor__", "__pairs__", "__tuple__"
SUFFIX = ".safetensors"
MERGED = "merged" + SUFFIX


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a tree of tensors and plain values; the file gets its name only when it is complete."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_pack(dict(checkpoint), tensors, "checkpoint"))
    files.make_folder(path.parent)
    files.write_bytes(path, save(tensors, metadata={"tree": tree}))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `write_checkpoint` wrote. Raises `TrainingError` if the file holds something else."""
    try:
        with safe_open(str(path), framework="pt") as file:
            tree = json.loads(file.metadata()["tree"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise TrainingError(f"{path}: not a checkpoint of moodfuse ({error}); delete it to start anew") from None
    result = _unpack(tree, tensors)
    assert isinstance(result, dict)
    return result


def _pack(value: Any, tensors: dict[str, Tensor], where: str) -> Any:
    if isinstance(value, Tensor):
        tensors[where] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: where}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        pairs = [[_pack(k, tensors, where), _pack(v, tensors, f"{where}/{k}")] for k, v in value.items()]
        return {_PAIRS: pairs}
    if isinstance(value, list | tuple):
        items = [_pack(item, tensors, f"{where}/{i}") for i, item in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    raise TrainingError(f"checkpoint: {where} is a {type(value).__name__}, which cannot be kept without pickle")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        if _TUPLE in value:
            return tuple(_unpack(item, tensors) for item in value[_TUPLE])
        return {_unpack(key, tensors): _unpack(item, tensors) for key, item in value[_PAIRS]}
    return value


def kept_checkpoint(train: TrainConfig) -> str:
    """Return the name of the checkpoint with a training's final weights: best, last, or merged."""
    if train.members > 1 or train.lora:
        return MERGED
    return best_or_last(train)


def best_or_last(train: TrainConfig) -> str:
    """Return the name of the checkpoint that the fit loop ends with: best, or last without a monitor."""
    return ("last" if train.monitor == "none" else "best") + SUFFIX


def save_model_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a model's weights so that `load_model_state` reads them."""
    tree = {"state_dict": {f"model.{key}": tensor for key, tensor in state.items()}}
    write_checkpoint(tree, path)


def load_model_state(path: Path) -> dict[str, Tensor]:
    """Return the model's weights from a checkpoint that a training wrote."""
    state = read_checkpoint(path)["state_dict"]
    averaged = "average.module."
    prefix = averaged if any(key.startswith(averaged) for key in state) else "model."
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
