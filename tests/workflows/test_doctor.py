"""What `moodfuse doctor` says of the packages that bring ONNX Runtime, by their metadata as pip writes it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from moodfuse.workflows.doctor import _devices, _runtime


def install(folder: Path, package: str, version: str) -> None:
    """Write what pip leaves of a package that brings ONNX Runtime."""
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "top_level.txt").write_text("onnxruntime\n")


def test_one_package_is_well_and_two_overwrite_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    well = _runtime()
    assert well.ok
    package, version = well.found.split()
    assert version == metadata.version(package)
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "onnxruntime-gpu", "9.9.9")
    ill = _runtime()
    assert (ill.ok, ill.required) == (False, False)  # what was installed last works
    assert "onnxruntime-gpu 9.9.9: they overwrite one another" in ill.found
    assert ill.remedy.startswith(f"pip uninstall {package} onnxruntime-gpu, then pip install the one that you want")


def test_what_an_uninstalled_package_took_along_is_missing(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from moodfuse.workflows.doctor import _runtime; "
    code += "check = _runtime(); print(check.ok, check.required, check.found)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False True ")
    assert "files of it are missing" in done.stdout


def test_devices_are_those_that_take_a_graph() -> None:
    found = _devices()
    assert "cpu" in found.found
    assert "not in this ONNX Runtime: " in found.found
