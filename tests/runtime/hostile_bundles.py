"""Bundles that are made hostile, with right hashes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from moodfuse import files
from moodfuse.errors import BundleError
from moodfuse.runtime.predictor import Predictor


def reseal(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8")) | changes
    manifest["files"] = {name: files.sha256(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (folder / "manifest.sha256").write_text(files.sha256(folder / "manifest.json"))


def cpu_seconds() -> float:
    """Return what this process and those that it has waited for took: others on the machine change nothing about it."""
    return sum(os.times()[:4])


def refused(folder: Path) -> str:
    started, spent = time.perf_counter(), cpu_seconds()
    with pytest.raises(BundleError) as caught:
        Predictor.load(folder).predict("what a day")
    assert cpu_seconds() - spent < 5
    assert time.perf_counter() - started < 60  # nor does it wait for anything
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(path: Path, work: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(path)
    work(model)
    path.write_bytes(model.SerializeToString())
