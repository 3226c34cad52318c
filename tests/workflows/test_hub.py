"""Bundles on a hub: the client of huggingface_hub, as it is, against a hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import TOKEN, Hub, running_hub
from huggingface_hub import ModelCard

import moodfuse
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import default_bundle
from moodfuse.runtime.hub import HubAddress, find_bundle

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub() as found:
        yield found


@pytest.fixture(scope="module")
def run(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run moodfuse on a machine that knows this hub alone, with caches of its own."""
    home = tmp_path_factory.mktemp("home")
    own = {"HF_HOME": str(home / "hf"), "MOODFUSE_CACHE": str(home / "moodfuse")}
    given = os.environ | own | {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}

    def started(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        hub.asked.clear()
        command = [sys.executable, "-m", "moodfuse", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=given | changed)

    return started


@pytest.fixture(scope="module")
def pinned(run: Run) -> str:
    """Publish the packaged bundle; return its address with the commit."""
    arguments = ["--license", "cc-by-nc-4.0", "--dataset", "someone/posts"]
    done = run("push", str(default_bundle()), "me/mood", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == len(list(default_bundle().iterdir())) + 1
    return str(told["bundle"])


@pytest.mark.slow
def test_what_was_published_answers_as_the_bundle_does(run: Run, hub: Hub, pinned: str, tmp_path: Path) -> None:
    first = run("predict", "--bundle", "hf://me/mood", "--text", "what a lovely day", "--json")
    assert first.returncode == 0, first.stderr
    expected = moodfuse.load().predict("what a lovely day")
    assert json.loads(first.stdout)["label"] == expected.label
    assert json.loads(first.stdout)["confidence"] == pytest.approx(expected.confidence, abs=1e-6)
    (tmp_path / "in.csv").write_text("text\nfine\nawful\n")
    many = run("predict", "--bundle", pinned, str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"))
    assert many.returncode == 0, many.stderr
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3
    assert not [asked for asked in hub.asked if "/resolve/" in asked]  # a commit that is here is not asked for again
    explained = run("explain", pinned, "--text", "fine", "--json")
    assert explained.returncode == 0, explained.stderr


@pytest.mark.usefixtures("pinned")
def test_offline_never_asks(run: Run, hub: Hub) -> None:
    assert run("predict", "--bundle", "hf://me/mood", "--text", "fine").returncode == 0
    done = run("predict", "--bundle", "hf://me/mood", "--text", "fine", "--offline")
    assert (done.returncode, hub.asked) == (0, [])
    away = run("predict", "--bundle", "hf://me/mood", "--text", "fine", HF_ENDPOINT="http://127.0.0.1:9")
    assert (away.returncode, away.stdout) == (0, done.stdout)  # what is here answers, where the hub does not
    done = run("predict", "--bundle", "hf://me/other", "--text", "fine", "--offline")
    assert (done.returncode, hub.asked) == (1, [])
    assert "hf://me/other: manifest.json is not on this machine, and downloads are off (--offline" in done.stderr
    done = run("push", str(default_bundle()), "me/mood", "--license", "mit", HF_HUB_OFFLINE="1")
    assert (done.returncode, hub.asked) == (1, [])
    assert "HF_HUB_OFFLINE turns it off" in done.stderr


def test_the_model_card_holds_licence_data_and_scores(hub: Hub, pinned: str) -> None:
    page = hub.models["me/mood"][pinned.partition("@")[2]]["README.md"].decode()
    card = ModelCard(page)
    assert (card.data.license, card.data.datasets, card.data.library_name) == (
        "cc-by-nc-4.0", ["someone/posts"], "moodfuse",
    )  # fmt: skip
    assert card.data.base_model == ["intfloat/multilingual-e5-small"]
    assert "zh" in card.data.language
    scores = moodfuse.load().manifest.scores["test"]
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found["accuracy"].metric_value == round(scores["accuracy"], 4)
    [line] = [line for line in card.text.splitlines() if line.startswith("| macro-F1 |")]  # of the bundle's own card
    assert found["f1"].metric_name == f"macro-F1, 95 % interval {line.split('|')[3].strip()}"
    assert "five-fold cross-validation" in found["f1"].dataset_name
    assert yaml.safe_load(page.split("---\n")[1])["model-index"][0]["name"] == "mood"
    assert "`multilingual-e5-small`: intfloat/multilingual-e5-small, mit." in card.text
    assert "# default" in card.text


def test_what_was_altered_on_the_way_is_refused_and_not_kept(run: Run, hub: Hub, pinned: str) -> None:
    whole = hub.models["me/mood"][pinned.partition("@")[2]]
    sick = {
        "head": {"head.onnx": whole["head.onnx"][:-1] + b"\0"},
        "seal": {"manifest.json": whole["manifest.json"] + b" "},
        "part": {"manifest.sha256": None},
    }
    messages = {
        "head": "head.onnx is not what was exported (its SHA-256 differs)",
        "seal": "manifest.json is not the file that was exported (its SHA-256 differs)",
        "part": "no bundle there: it has no manifest.sha256; `moodfuse push` makes one",
    }
    for name, changed in sick.items():
        held = {path: content for path, content in (whole | changed).items() if content is not None}
        hub.models[f"me/{name}"] = {name.encode().hex().ljust(40, "0"): held}
        for _ in range(2):
            done = run("predict", "--bundle", f"hf://me/{name}", "--text", "fine")
            assert done.returncode == 1
            assert f"hf://me/{name}@" in done.stderr
            assert messages[name] in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "--bundle", "hf://me/mood@beta", "--text", "a"], "has no commit, tag or branch of that name"),
        (["predict", "--bundle", "hf://me/gone", "--text", "a"], "the Hub has no model of that name"),
        (["predict", "--bundle", "hf://mood", "--text", "a"], "expected hf://USER/NAME or hf://USER/NAME@REVISION"),
        (["predict", "--bundle", "hf://me/mood"], "nothing to label"),
        (["push", "BUNDLE", "mood", "--license", "mit"], "expected USER/NAME"),
        (["push", "BUNDLE", "me/mood", "--license", "no such licence"], '"license" must be one of the known ones'),
    ],
)
@pytest.mark.usefixtures("pinned")
def test_errors_say_what_to_do(run: Run, arguments: list[str], message: str) -> None:
    done = run(*(str(default_bundle()) if one == "BUNDLE" else one for one in arguments))
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())


def test_who_may_not_write_is_told(run: Run) -> None:
    done = run("push", str(default_bundle()), "me/mood", "--license", "mit", HF_TOKEN="hf_another")
    assert done.returncode == 1
    assert "me/mood: " in done.stderr
    assert "hf auth login" in done.stderr


@pytest.mark.slow  # the client tries six times, and waits 23 s between
def test_a_hub_that_is_not_there_is_told(run: Run) -> None:
    done = run("predict", "--bundle", "hf://me/never", "--text", "a", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "hf://me/never: manifest.json cannot be downloaded" in " ".join(done.stderr.split())


def test_addresses() -> None:
    assert HubAddress.parse("hf://me/mood@v1/x") == HubAddress("me/mood", "v1/x")
    assert str(HubAddress("me/mood", "abc")) == "hf://me/mood@abc"
    assert find_bundle(None) == default_bundle()
    assert find_bundle("runs/mine") == Path("runs/mine")
    for text in ("hf://me", "hf://me/a/b", "hf://me/mood@", "hf://../mood", "hf:///me/mood"):
        with pytest.raises(BundleError, match="expected hf://USER/NAME"):
            HubAddress.parse(text)
