"""A run that was killed ends as one that was not."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import BertModel

from moodfuse.config import Config
from moodfuse.data.formats.readers import read_posts
from moodfuse.errors import BundleError
from moodfuse.learn.recipes import resolve_config
from moodfuse.runtime.bundle import read_bundle
from moodfuse.workflows.training import RunResult, train

#: Trains, and kills its own process, without any warning, when it gets to a certain line of progress.
KILLED = """
import os, signal, sys
from pathlib import Path
from moodfuse.data.formats.readers import read_posts
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


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


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


@pytest.mark.slow
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
    assert history(run) == history(trained_run)  # the best epoch alone may lie before the kill
    assert result.metrics.as_json() == json.loads((trained_run / "metrics.json").read_text())
    for name in ("head.onnx", "seen.json"):
        assert (run / "bundle" / name).read_bytes() == (trained_run / "bundle" / name).read_bytes()
    assert sorted(os.listdir(run)) == sorted(os.listdir(trained_run))  # noqa: PTH208 (hidden ones count)
    assert read_bundle(run).manifest.name == "killed"


@pytest.mark.slow
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
    assert history(run) == history(whole.run.path)
    assert result.metrics == whole.metrics
    assert (run / "bundle" / "text.onnx").read_bytes() == (whole.run.bundle / "text.onnx").read_bytes()
    assert result.metrics.training.regime == "end_to_end"
    untrained = sum(p.numel() for p in BertModel.from_pretrained(tiny_bert, add_pooling_layer=False).parameters())
    assert result.metrics.training.parameters > untrained  # the encoder's are among those that trained
