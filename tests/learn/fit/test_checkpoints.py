"""Checkpoints hold what Lightning hands over, run no code, and take their place when they are whole."""

from pathlib import Path

import pytest
import torch

from moodfuse.errors import TrainingError
from moodfuse.learn.fit.checkpoints import read_checkpoint, write_checkpoint


def test_a_nested_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {
        "state_dict": {"model.a": torch.arange(3.0)},
        "optimizer_states": [
            {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]}
        ],
        "callbacks": {"history": {"rows": [{"epoch": 0}]}},
        "nothing": None,
    }
    write_checkpoint(state, tmp_path / "a.safetensors")
    back = read_checkpoint(tmp_path / "a.safetensors")
    torch.testing.assert_close(back["state_dict"]["model.a"], torch.arange(3.0))
    assert back["optimizer_states"][0]["state"][0]["step"] == 4
    assert back["optimizer_states"][0]["param_groups"] == [{"lr": 0.1, "betas": (0.9, 0.99)}]
    assert back["callbacks"] == state["callbacks"]
    assert back["nothing"] is None


def test_an_object_that_would_need_pickle_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_checkpoint({"epoch": 1}, path)
    with pytest.raises(TrainingError, match="pickle"):
        write_checkpoint({"epoch": 2, "thing": object()}, path)
    assert read_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"{}"])
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        read_checkpoint(path)
