"""A bundle is whole or refused, moves with its folder, and holds no code."""

import json
import shutil
from pathlib import Path

import pytest

from moodfuse import files
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import read_bundle


@pytest.fixture
def copy(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run / "bundle", tmp_path / "moved" / "bundle"))


def reseal(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    files.write_json(folder / "manifest.json", manifest)
    files.write_text(folder / "manifest.sha256", files.sha256(folder / "manifest.json"))


def test_a_moved_bundle_opens_and_holds_json_onnx_and_markdown_only(copy: Path) -> None:
    assert read_bundle(copy).manifest.fusion == "concat"
    assert {path.suffix for path in copy.iterdir()} == {".json", ".onnx", ".sha256", ".md"}


def test_a_run_folder_stands_for_its_bundle(trained_run: Path) -> None:
    assert read_bundle(trained_run).folder == trained_run / "bundle"


@pytest.mark.parametrize("name", ["head.onnx", "text.onnx", "tokenizer.json", "manifest.json", "MODEL_CARD.md"])
def test_one_changed_byte_is_found(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}.*SHA-256"):
        read_bundle(copy)


@pytest.mark.parametrize("name", ["image.onnx", "manifest.json", "manifest.sha256"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        read_bundle(copy)


def test_a_newer_format_is_told_apart(copy: Path) -> None:
    reseal(copy, format=2)
    with pytest.raises(BundleError, match="bundle format 2, this version reads 1"):
        read_bundle(copy)


def test_an_unknown_key_is_refused(copy: Path) -> None:
    reseal(copy, surprise=1)
    with pytest.raises(BundleError, match="surprise"):
        read_bundle(copy)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/passwd", ".."])
def test_a_manifest_cannot_point_outside_its_folder(copy: Path, name: str) -> None:
    reseal(copy, files={name: "0" * 64})
    with pytest.raises(BundleError, match="outside the bundle"):
        read_bundle(copy)


@pytest.mark.parametrize("content", ['{"format": ' + "9" * 5_000 + "}", "[" * 50_000], ids=["digits", "brackets"])
def test_a_manifest_that_no_reader_takes_is_one_line(copy: Path, content: str) -> None:
    (copy / "manifest.json").write_text(content)
    files.write_text(copy / "manifest.sha256", files.sha256(copy / "manifest.json"))
    with pytest.raises(BundleError, match=r"manifest\.json is no JSON"):
        read_bundle(copy)


def test_a_sealed_file_that_is_no_graph_is_one_line(copy: Path) -> None:
    from moodfuse.runtime.predictor import Predictor

    (copy / "head.onnx").write_bytes(b"not a graph")
    manifest = json.loads((copy / "manifest.json").read_text())
    reseal(copy, files=manifest["files"] | {"head.onnx": files.sha256(copy / "head.onnx")})
    with pytest.raises(BundleError, match="ONNX Runtime cannot load it"):
        Predictor.load(copy)
