"""Low-rank updates: what trains, what is left when they have become part of the weights, and who cannot have them."""

from pathlib import Path

import pytest
import torch
from torch import nn

from moodfuse.config import Config, DataConfig
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import open_modalities
from moodfuse.learn.encoders import Encoder, find_encoder
from moodfuse.learn.fit.adapters import low_rank
from moodfuse.learn.fit.checkpoints import load_model_state
from moodfuse.learn.fit.history import FitResult, Hooks
from moodfuse.learn.model import FusionModel
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.learn.recipes import resolve_config
from moodfuse.progress import Progress, silent
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.training import train
from tiny_checkpoints import checkpoint


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:60]


def encoder(folder: Path) -> Encoder:
    return find_encoder(str(folder), "text", DataConfig()).load()


def fitted(
    posts: Posts, folder: Path | None, tiny_bert: Path, *, progress: Progress = silent, **train: object
) -> tuple[FusionModel, FitResult]:
    settings = {
        "regime": "end_to_end",
        "epochs": 1,
        "batch_size": 16,
        "monitor": "none",
        "patience": 0,
        "lora": 4,
    } | train
    text = {"text": str(tiny_bert), "fusion": "text"}
    config: Config = resolve_config("text", overrides=[{"train": settings, "model": text}])
    modalities = open_modalities(posts, config)
    data = TrainingData([0, 1, 2] * 20, modalities, range(48), range(48, 60))
    return fit_parts(data, config, folder, Hooks(progress=progress))


def test_what_has_been_learned_becomes_part_of_the_weights(tiny_bert: Path) -> None:
    one, untouched = encoder(tiny_bert), encoder(tiny_bert)
    inputs = one.example
    with low_rank(nn.ModuleDict({"text": one}), 4, seed=1):
        trained = [name for name, parameter in one.named_parameters() if parameter.requires_grad]
        assert trained
        assert all("lora_" in name for name in trained)
        torch.testing.assert_close(one(*inputs).pooled, untouched(*inputs).pooled)  # they begin at nothing
        for name, parameter in one.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.1)
        learned = one.eval()(*inputs).pooled
    torch.testing.assert_close(one(*inputs).pooled, learned)
    assert one.state_dict().keys() == untouched.state_dict().keys()
    assert not torch.allclose(learned, untouched(*inputs).pooled, atol=1e-3)


def test_a_training_leaves_plain_weights_and_a_checkpoint_of_them(
    posts: Posts, tmp_path: Path, tiny_bert: Path
) -> None:
    model, result = fitted(posts, tmp_path, tiny_bert)
    before = encoder(tiny_bert).state_dict()
    after = model.encoders["text"].state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(before[name].ndim == 2 and "embeddings" not in name for name in changed)
    assert 0 < result.parameters < sum(tensor.numel() for tensor in before.values())
    kept = load_model_state(tmp_path / "merged.safetensors")
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(kept[name], tensor)
    again, _ = fitted(posts, tmp_path, tiny_bert)  # finished: its checkpoint alone is read
    torch.testing.assert_close(again.state_dict(), model.state_dict())


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(posts: Posts, tmp_path: Path, tiny_bert: Path) -> None:
    def stop(what: str, *_: int) -> None:
        if "epoch 2" in what:
            raise KeyboardInterrupt

    settings = {"epochs": 2, "average": 0.5}
    whole, _ = fitted(posts, tmp_path / "whole", tiny_bert, **settings)
    with pytest.raises(KeyboardInterrupt):
        fitted(posts, tmp_path / "stopped", tiny_bert, progress=stop, **settings)
    resumed, _ = fitted(posts, tmp_path / "stopped", tiny_bert, **settings)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


@pytest.mark.slow
def test_members_and_two_processes_train_through_updates_too(posts: Posts, tmp_path: Path, tiny_bert: Path) -> None:
    model, result = fitted(posts, tmp_path / "members", tiny_bert, members=2)
    states = [load_model_state(tmp_path / "members" / f"member-{i}" / "merged.safetensors") for i in range(2)]
    name = next(key for key in states[0] if not torch.equal(states[0][key], states[1][key]))
    torch.testing.assert_close(model.state_dict()[name], (states[0][name] + states[1][name]) / 2)
    assert len(result.history) == 2
    spread, _ = fitted(posts, tmp_path / "spread", tiny_bert, devices=2, device="cpu")
    assert spread.state_dict().keys() == model.state_dict().keys()


@pytest.mark.slow
def test_a_stage_of_its_own_trains_through_updates_too(synthetic_folder: Path, tmp_path: Path, tiny_bert: Path) -> None:
    settings = {"regime": "two_stage", "tune": ["text"], "stage_epochs": 1, "epochs": 1, "patience": 0, "lora": 2}
    config = resolve_config("concat", overrides=[{"train": settings, "model": {"text": str(tiny_bert)}}])
    run = train(read_posts(synthetic_folder)[:150], config, name="staged", runs=tmp_path)
    assert Predictor(run.bundle).predict("fine").label in config.labels


def test_frozen_encoders_have_no_updates() -> None:
    with pytest.raises(ConfigError, match=r"train\.lora updates encoders that train: set train\.regime=end_to_end"):
        resolve_config("concat", overrides=[{"train": {"lora": 4}}])


def test_an_encoder_without_linear_layers_is_refused() -> None:
    image = find_encoder("efficientnet-lite0", "image", DataConfig()).load()
    with (
        pytest.raises(ConfigError, match="image encoder has no linear layers"),
        low_rank(nn.ModuleDict({"image": image}), 4, seed=0),
    ):
        raise AssertionError("not reached")


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_the_quality_recipe_trains_both_encoders_to_a_bundle(
    synthetic_folder: Path, tmp_path: Path, devices: int
) -> None:
    tiny = {"text": str(checkpoint("tiny/roberta")), "image": str(checkpoint("tiny/siglip"))}
    quick = {"epochs": 1, "patience": 0, "devices": devices, "device": "cpu"}
    config = resolve_config("quality", overrides=[{"model": tiny, "train": quick}])
    assert (config.train.lora, config.train.precision, config.train.tune) == (16, "bf16", ("text", "image"))
    run = train(read_posts(synthetic_folder)[:150], config, name="quality", runs=tmp_path)
    assert run.bundle.manifest.precision == {"text": "int8", "image": "int8"}
    answer = Predictor(run.bundle).predict("what a lovely day")
    assert sum(answer.probabilities.values()) == pytest.approx(1)
