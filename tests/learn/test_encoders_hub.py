"""Hub ids: what counts as one, what is downloaded, and what is said where it cannot be."""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from moodfuse.cli.main import run
from moodfuse.config import DataConfig
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import HUB_MODELS, encoders, find_encoder
from moodfuse.learn.encoders.hub import FILES, is_hub_id
from tiny_checkpoints import checkpoint, hub_cache, load


def test_a_hub_id_and_the_folder_it_stands_for_are_one_encoder() -> None:
    folder = find_encoder(str(checkpoint("tiny/bert")), "text", DataConfig())
    assert load("tiny/bert", "text").fingerprint() == folder.fingerprint()
    assert load("tiny/bert", "text").name == "tiny/bert"


def test_both_towers_come_from_one_id_and_differ() -> None:
    text, image = load("tiny/clip", "text"), load("tiny/clip", "image")
    assert text.fingerprint() != image.fingerprint()
    assert text.load().dim == image.load().dim == 12


@pytest.mark.parametrize("name", ["bert-base-uncased", "org/model", "a1/b_c-d.e"])
def test_what_is_an_id(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize("name", ["bertt", "./model", "../model", "/abs/model", "a/b/c", "runs/", "a b/c", ""])
def test_what_is_none(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where no such folder is
    assert not is_hub_id(name)
    with pytest.raises(ConfigError, match="no folder of that name"):
        find_encoder(name, "text", DataConfig())


@pytest.mark.parametrize(
    ("name", "modality", "near"),
    [
        ("minlm", "text", "minilm"),
        ("bert-base-uncasd", "text", "bert-base-uncased"),
        ("efficientnet-lite3", "image", "efficientnet-lite"),
        ("facebook-convnext-base-224", "image", "facebook/convnext-base-224"),
    ],
)
def test_a_misspelt_name_gets_the_near_ones(name: str, modality: Any, near: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown {modality} encoder .* did you mean .*{near}"):
        find_encoder(name, modality, DataConfig())


def test_a_known_id_of_the_other_modality_is_refused_before_any_download() -> None:
    with pytest.raises(ConfigError, match=r"'microsoft/resnet-50' is an encoder of image, expected an encoder of text"):
        find_encoder("microsoft/resnet-50", "text", DataConfig())


@pytest.mark.parametrize("name", ["roberta-base", "tiny/not-there"])
def test_offline_is_said_and_what_to_do(name: str) -> None:
    with (
        hub_cache(),
        pytest.raises(ConfigError, match=rf"^{name}: not in the Hugging Face cache.*--local-dir FOLDER\)"),
    ):
        find_encoder(name, "text", DataConfig())


def _response(status: int) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            lambda: LocalEntryNotFoundError("Got: ConnectError: no such host\nand more"),
            r"cannot be downloaded.*no such",
        ),
        (lambda: RepositoryNotFoundError("404", response=_response(404)), "no model of the Hugging Face Hub named"),
        (lambda: GatedRepoError("403", response=_response(403)), "accept their terms"),
        (lambda: OSError(28, "No space left on device"), "No space left"),
        (OSError, r"cannot be downloaded.*\(OSError\)"),
    ],
)
def test_what_the_hub_answers_becomes_one_line(
    error: Callable[[], Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, local_files_only: bool = False, **__: object) -> str:
        raise LocalEntryNotFoundError("not cached") if local_files_only else error()

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(ConfigError, match=message) as raised:
        find_encoder("tiny/elsewhere", "image", DataConfig())
    assert "\n" not in str(raised.value)


def test_only_what_is_needed_is_downloaded() -> None:
    def wanted(file: str) -> bool:
        return any(fnmatch.fnmatch(file, pattern) for pattern in FILES)

    for file in ("config.json", "model.safetensors", "model-00001-of-00004.safetensors", "tokenizer.json"):
        assert wanted(file)
    for file in (
        "pytorch_model.bin",
        "modeling_x.py",
        "onnx/model.safetensors",
        "tf_model.h5",
        "model.fp16.safetensors",
    ):
        assert not wanted(file)


def _count_downloads(monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[str]:
    """Let the Hub be reached for, and note for what; nothing is there."""
    asked: list[str] = []
    real = huggingface_hub.snapshot_download

    def download(name: str, *, local_files_only: bool = False, **options: Any) -> str:
        if local_files_only:
            return real(name, local_files_only=True, **options)
        asked.append(name)
        raise LocalEntryNotFoundError("no such host")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return asked


def test_a_cached_model_is_found_without_a_look_at_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = checkpoint("tiny/vit").parents[2]
    asked = _count_downloads(monkeypatch, cache)
    assert find_encoder("tiny/vit", "image", DataConfig()).name == "tiny/vit"
    assert asked == []


@pytest.mark.parametrize(("modality", "missing"), [("text", "tokenizer.json"), ("image", "model.safetensors")])
def test_what_is_missing_of_a_cached_model_is_asked_for(
    modality: Any, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(checkpoint("tiny/clip").parents[1], tmp_path / "models--tiny--part")
    for path in (tmp_path / "models--tiny--part").rglob(missing):
        path.unlink()
    asked = _count_downloads(monkeypatch, tmp_path)
    message = "cannot be downloaded" if missing == "model.safetensors" else r"no tokenizer\.json"
    with pytest.raises(ConfigError, match=f"tiny/part: {message}"):
        find_encoder("tiny/part", modality, DataConfig())
    assert asked == ["tiny/part"]


def test_the_list_holds_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encoders", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == {*encoders(), *HUB_MODELS}
    assert {row["name"] for row in rows if row["needs"] == "nothing"} == set(encoders())
    assert run(["encoders"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*encoders(), *HUB_MODELS))


def test_a_folder_goes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "mpnet").symlink_to(checkpoint("tiny/bert"))
    monkeypatch.chdir(tmp_path)
    assert find_encoder("tiny/mpnet", "text", DataConfig()).fingerprint() == load("tiny/bert", "text").fingerprint()
