"""Averages of weights: along one training, and over several from one start."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from moodfuse.config import Config, DataConfig, OptimConfig
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import open_modalities
from moodfuse.learn.encoders import find_encoder
from moodfuse.learn.fit.checkpoints import load_model_state, read_checkpoint
from moodfuse.learn.fit.loop import WeightAverage
from moodfuse.learn.fit.optimisation import freeze, layers, parameter_groups
from moodfuse.learn.fit.trainer import resolve_precision
from moodfuse.learn.model import FusionModel
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.learn.recipes import resolve_config
from tiny_checkpoints import checkpoint


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:60]


def fitted(posts: Posts, folder: Path | None, **train: object) -> tuple[FusionModel, Config]:
    settings = {"epochs": 2, "batch_size": 16, "monitor": "none", "patience": 0} | train
    config = resolve_config("concat", overrides=[{"train": settings}])
    modalities = open_modalities(posts, config)
    data = TrainingData([0, 1, 2] * 20, modalities, range(48), range(48, 60))
    model, result = fit_parts(data, config, folder)
    assert len(result.history) == config.train.epochs * config.train.members
    return model, config


def test_the_mean_of_the_members_is_what_is_left(posts: Posts, tmp_path: Path) -> None:
    model, _ = fitted(posts, tmp_path, members=3)
    states = [load_model_state(tmp_path / f"member-{i}" / "last.safetensors") for i in range(3)]
    name = "fusion.classify.weight"
    assert not torch.equal(states[0][name], states[1][name])
    torch.testing.assert_close(model.state_dict()[name], torch.stack([state[name] for state in states]).mean(0))
    kept = load_model_state(tmp_path / "merged.safetensors")
    assert kept.keys() == model.state_dict().keys()
    torch.testing.assert_close(kept[name], model.state_dict()[name])


def test_the_moving_average_is_kept_in_the_place_of_the_last_weights(posts: Posts, tmp_path: Path) -> None:
    model, _ = fitted(posts, tmp_path, average=0.5)
    saved = read_checkpoint(tmp_path / "last.safetensors")["state_dict"]
    name = "fusion.classify.weight"
    torch.testing.assert_close(model.state_dict()[name], saved[f"average.module.{name}"])
    assert not torch.equal(model.state_dict()[name], saved[f"model.{name}"])


def test_the_moving_average_is_that_of_pytorch_with_what_is_frozen_left_as_it_is() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    ours, theirs = (
        average(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)) for average in (WeightAverage, AveragedModel)
    )
    for _ in range(3):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data += torch.randn_like(parameter)
        model(torch.randn(4, 3))  # moves the statistics
        ours.update_parameters(model)
        theirs.update_parameters(model)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=0, atol=0)
    assert torch.equal(ours.module[0].weight, model[0].weight)
    assert not torch.equal(ours.module[2].weight, model[2].weight)


@pytest.mark.parametrize(
    "train",
    [
        {"monitor": "macro_f1", "epochs": 5},
        {"monitor": "loss", "average": 0.5, "epochs": 5},
        {"members": 2},
        {"average": 0.5},
    ],
)
def test_a_training_that_keeps_no_files_ends_in_the_same_state(
    train: dict[str, object], posts: Posts, tmp_path: Path
) -> None:
    with_files, _ = fitted(posts, tmp_path, **train)
    without, _ = fitted(posts, None, **train)
    for name, tensor in with_files.state_dict().items():
        torch.testing.assert_close(without.state_dict()[name], tensor, rtol=0, atol=0)


def test_bf16_is_for_what_is_large_enough_to_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moodfuse.learn.fit.trainer.has_fast_bf16", lambda: True)
    config = resolve_config("concat")
    small, large = nn.Linear(10, 10), nn.Linear(1_001, 1_000)
    assert (resolve_precision(config, small), resolve_precision(config, large)) == ("fp32", "bf16")
    large.requires_grad_(False)  # as what low-rank updates stand beside: they gain as much
    assert resolve_precision(config, large) == "bf16"
    asked = resolve_config("concat", overrides=[{"train": {"precision": "bf16"}}])
    assert resolve_precision(asked, small) == "bf16"


def test_without_a_monitor_there_is_nothing_to_be_patient_for() -> None:
    with pytest.raises(ConfigError, match=r"set train\.patience=0"):
        resolve_config("concat", overrides=[{"train": {"monitor": "none"}}])


def test_an_encoder_is_taken_apart_from_its_embeddings_up(tiny_bert: Path) -> None:
    encoder = find_encoder(str(tiny_bert), "text", DataConfig()).load()
    parts = layers(encoder)
    assert len(parts) == 1 + 2  # embeddings, two layers
    assert sum(map(len, parts)) == len(list(encoder.parameters()))
    freeze(encoder, 1)
    assert [all(p.requires_grad for p in part) for part in parts] == [False, True, True]
    model = nn.ModuleDict({"text": encoder, "head": nn.Linear(4, 2)})
    groups = parameter_groups(model, nn.ModuleDict({"text": encoder}), OptimConfig(layer_decay=0.5, encoder_lr=0.1))
    assert {group["lr"] for group in groups} == {0.05, 0.1, OptimConfig().lr}


@pytest.mark.parametrize("name", ["tiny/resnet", pytest.param("efficientnet-lite0", marks=pytest.mark.slow)])
def test_frozen_layers_keep_their_batch_statistics_too(posts: Posts, name: str) -> None:
    image = str(checkpoint(name)) if name.startswith("tiny/") else name
    settings = {"regime": "end_to_end", "tune": ["image"], "freeze": 1, "epochs": 2, "batch_size": 16, "patience": 0}
    config = resolve_config("image", overrides=[{"train": settings, "model": {"image": image}}])
    few = posts[:24]  # the second epoch begins after a validation, which sets every layer's mode
    data = TrainingData([0, 1, 2] * 8, open_modalities(few, config), range(16), range(16, 24))
    before = {key: tensor.clone() for key, tensor in data.modalities["image"].encoder.state_dict().items()}  # type: ignore[union-attr]
    model, _ = fit_parts(data, config)
    encoder = model.encoders["image"]
    fixed = {id(parameter) for parameter in layers(encoder)[0]}
    norms = {key: module for key, module in encoder.named_modules() if isinstance(module, nn.BatchNorm2d)}
    moved = {key: not torch.equal(module.running_mean, before[f"{key}.running_mean"]) for key, module in norms.items()}
    assert {key for key, has_moved in moved.items() if not has_moved} == {
        key for key, module in norms.items() if id(module.weight) in fixed
    }
    assert len(set(moved.values())) == 2
