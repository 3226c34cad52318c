"""Training in several processes: the same numbers as in one, nothing left behind, and a death that is told."""

import multiprocessing
from itertools import chain
from pathlib import Path

import pytest
import torch

from moodfuse.config import Config
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, TrainingError
from moodfuse.learn.assembly import open_modalities
from moodfuse.learn.batches import LengthBatches, Share
from moodfuse.learn.fit.history import FitResult, Hooks
from moodfuse.learn.model import FusionModel
from moodfuse.learn.parts import TrainingData, fit_parts
from moodfuse.learn.recipes import resolve_config
from moodfuse.progress import Progress, silent


@pytest.fixture(scope="module")
def posts(synthetic_folder: Path) -> Posts:
    return read_posts(synthetic_folder)[:60]


def fitted(
    posts: Posts, folder: Path | None, *, progress: Progress = silent, **train: object
) -> tuple[FusionModel, FitResult]:
    settings = {"epochs": 3, "batch_size": 16, "patience": 0, "device": "cpu"} | train
    model = {"dropout": 0.0, "modality_dropout": 0.0}  # each process draws its own
    config: Config = resolve_config("concat", overrides=[{"train": settings, "model": model}])
    modalities = open_modalities(posts, config)
    data = TrainingData([0, 1, 2] * 20, modalities, range(48), range(48, 60))
    return fit_parts(data, config, folder, Hooks(progress=progress))


def test_shares_make_up_the_batches_and_none_is_of_one_post() -> None:
    lengths = [i % 7 for i in range(53)]
    whole = list(LengthBatches(53, 8, lengths=lengths))
    parts = [LengthBatches(53, 8, lengths=lengths, share=Share(rank, 3)) for rank in range(3)]
    assert {len(part) for part in parts} == {len(whole) - 1}
    together = [sorted(chain(*shares)) for shares in zip(*map(list, parts), strict=True)]
    assert all(len(share) >= 2 for part in parts for share in part)
    # The last five would be less than two in each process: they join the batch before.
    assert together == [*map(sorted, whole[:-2]), sorted(whole[-2] + whole[-1])]


@pytest.mark.slow
def test_two_processes_train_as_one_does(posts: Posts, tmp_path: Path) -> None:
    one, alone = fitted(posts, tmp_path / "one")
    two, together = fitted(posts, tmp_path / "two", devices=2)
    assert [row["val_macro_f1"] for row in together.history] == [row["val_macro_f1"] for row in alone.history]
    for ours, theirs in zip(together.history, alone.history, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-3)
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], abs=1e-3)
    assert together.best_epoch == alone.best_epoch
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"best.safetensors", "last.safetensors"}


def test_a_process_that_is_killed_is_told_and_the_others_end(posts: Posts) -> None:
    def kill(*_: object) -> None:
        multiprocessing.active_children()[1].kill()

    with pytest.raises(TrainingError, match=r"was ended \(exit code -9\).*lower train\.devices"):
        fitted(posts, None, progress=kill, devices=2, epochs=200)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_an_interrupt_ends_all_and_the_next_run_goes_on(posts: Posts, tmp_path: Path) -> None:
    def interrupt(what: str, *_: int) -> None:
        if what.startswith("training, epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(posts, tmp_path, progress=interrupt, devices=2)
    assert multiprocessing.active_children() == []
    epochs: set[str] = set()
    _, result = fitted(posts, tmp_path, progress=lambda what, *_: epochs.add(what), devices=2)
    assert epochs == {"training, epoch 3"}
    assert len(result.history) == 3


def test_a_batch_must_hold_two_posts_for_each_process() -> None:
    with pytest.raises(ConfigError, match=r"fewer than two posts for each of 4 devices"):
        resolve_config("concat", overrides=[{"train": {"devices": 4, "batch_size": 6}}])
