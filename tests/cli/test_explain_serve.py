"""moodfuse explain and moodfuse serve, as far as the command line goes."""

import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from moodfuse.cli.main import run
from moodfuse.runtime.bundle import MANIFEST, default_bundle
from moodfuse.serve.keys import hash_key
from moodfuse.workflows import extras

PACKAGED = Path(extras.__file__).parents[1] / "runtime" / "default_bundle" / MANIFEST


def test_an_explanation_is_printed_for_people_and_for_machines(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(trained_run), "--text", "she was reading the paper, horrible"]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("negative")
    assert "text moved it" in out
    assert "horrible" in out
    assert run([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    moved = sum(share["negative"] for share in found["shares"].values())
    assert moved == pytest.approx(found["probabilities"]["negative"] - found["prior"]["negative"], abs=5e-6)


def test_without_a_post_there_is_nothing_to_explain(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(trained_run)]) == 1
    assert "give --text, --image, or both" in capsys.readouterr().err


@pytest.mark.skipif(PACKAGED.exists(), reason="this version ships a bundle")
def test_without_a_bundle_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["explain", "--text", "day"], ["serve"]):
        assert run(words) == 1
        assert "moodfuse train DATA" in capsys.readouterr().err


@pytest.mark.skipif(not PACKAGED.exists(), reason="this version ships no bundle")
def test_the_packaged_bundle_is_found() -> None:
    assert (default_bundle() / MANIFEST) == PACKAGED


def test_a_new_key_comes_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--new-key"]) == 0
    _, key, _, line = capsys.readouterr().out.split("\n")[:4]
    assert line.strip() == f"sha256:{hash_key(key.strip())}"


def test_what_serving_needs_is_one_line(
    trained_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "uvicorn" else ModuleSpec(name, None)

    monkeypatch.setattr(extras, "find_spec", find)
    assert run(["serve", str(trained_run)]) == 1
    assert capsys.readouterr().err.strip().endswith("pip install 'moodfuse[serve]'")
