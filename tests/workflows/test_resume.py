"""A run that was killed ends as one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel

from moodfuse.config import Config
from moodfuse.data.readers import read_posts
from moodfuse.errors import BundleError
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import read_bundle
from moodfuse.workflows.training import RunResult, train

#: Trains, and kills its own process, without any warning, when it gets to a certain line of progress.
KILLED = """
import os, signal, sys
from pathlib import Path
from moodfuse.data.readers import read_posts
from moodfuse.learn.recipes import resolve_config
from moodfuse.workflows.training import train
data, config, runs, at = sys.argv[1:]
def progress(what, done, total):
    if what.startswith(at):
        os.kill(os.getpid(), signal.SIGKILL)
train(read_posts(data), resolve_config(file=Path(config)), name="killed", runs=Path(runs), progress=progress)
"""


class Stop(BaseException):
    pass


def kill(data: Path, config: Path, runs: Path, at: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(data), str(config), str(runs), at], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return runs / "killed"


def resume(data: Path, config: Config, runs: Path, stop: str = "nowhere") -> RunResult:
    def progress(what: str, *_: int) -> None:
        if what.startswith(stop):
            raise Stop

    return train(read_posts(data), config, name="killed", runs=runs, progress=progress)


def test_killed_twice_and_started_again_it_ends_with_the_same_numbers(
    trained_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    run = kill(synthetic_folder, trained_run / "config.yaml", tmp_path, "training, epoch 6")
    assert len((run / "history.csv").read_text().splitlines()) == 1 + 5
    (run / ".bundle.0123abcd.part").mkdir()  # what a kill in the middle of an export leaves
    config = resolve_config(file=trained_run / "config.yaml")
    with pytest.raises(Stop):  # trained, exported, and interrupted before the bundle is calibrated
        resume(synthetic_folder, config, tmp_path, stop="calibrating")
    with pytest.raises(BundleError, match="no bundle here"):  # uncalibrated, it must not be taken for a finished one
        read_bundle(run)
    result = resume(synthetic_folder, config, tmp_path)
    assert result.metrics == json.loads((trained_run / "metrics.json").read_text())
    for name in ("head.onnx", "seen.json"):
        assert (run / "bundle" / name).read_bytes() == (trained_run / "bundle" / name).read_bytes()
    assert sorted(os.listdir(run)) == sorted(os.listdir(trained_run))  # noqa: PTH208 (hidden ones count)
    assert read_bundle(run).manifest.name == "killed"


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT in a folder, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert") / "tiny"
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=60, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz.,!'"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_end_to_end_trains_the_encoder_and_resumes_with_it(
    tiny_bert: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    config = resolve_config(
        "concat",
        overrides=[
            {"model": {"text": str(tiny_bert), "dropout": 0.2}, "split": {"folds": 4}, "optim": {"encoder_lr": 1e-2}},
            {"train": {"regime": "end_to_end", "epochs": 2, "batch_size": 16, "precision": "fp32"}},
        ],
    )
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    posts = read_posts(synthetic_folder)[:40]
    data = tmp_path / "posts.jsonl"
    data.write_text(
        "".join(
            json.dumps({"id": p.id, "text": p.text, "image": p.image and str(p.image.source), "label": p.label}) + "\n"
            for p in posts
        )
    )
    whole = train(read_posts(data), config, name="whole", runs=tmp_path)
    run = kill(data, tmp_path / "config.yaml", tmp_path, "training, epoch 2")
    result = resume(data, config, tmp_path)
    assert result.metrics == whole.metrics
    assert (run / "bundle" / "text.onnx").read_bytes() == (whole.run.bundle / "text.onnx").read_bytes()
    assert result.metrics["training"]["regime"] == "end_to_end"
    untrained = sum(p.numel() for p in BertModel.from_pretrained(tiny_bert, add_pooling_layer=False).parameters())
    assert result.metrics["training"]["parameters"] > untrained
    # and the encoder in the bundle is the one that trained: another one than the folder's
    frozen = config.model_copy(update={"train": config.train.model_copy(update={"regime": "frozen"})})
    with pytest.raises(Stop):
        train(read_posts(data), frozen, name="frozen", runs=tmp_path, progress=stop_after_features)
    text = (whole.run.bundle / "text.onnx").read_bytes()
    exported = [path.read_bytes() for path in Path(os.environ["MOODFUSE_CACHE"], "encoders").glob("*.onnx")]
    assert text not in exported


def stop_after_features(what: str, *_: int) -> None:
    if what.startswith("training"):
        raise Stop
