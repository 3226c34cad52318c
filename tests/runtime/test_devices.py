"""Devices: each that is here answers as the CPU does; the CPU stands in for the others, with a line that says why."""

from __future__ import annotations

import subprocess
import sys
import typing

import numpy as np
import onnxruntime
import pytest

from moodfuse.cli.device import DeviceName
from moodfuse.errors import BundleError, ConfigError
from moodfuse.runtime.bundle import default_bundle
from moodfuse.runtime.devices import AUTO, PROVIDERS, DeviceError, Provider, devices_here, devices_to_try
from moodfuse.runtime.graphs import EncoderSession, open_session
from moodfuse.runtime.predictor import Predictor

HEAD = default_bundle() / "head.onnx"


def has(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have the ONNX Runtime that is installed say that it has the providers of these devices."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDERS[name].name for name in names])


@pytest.mark.parametrize("device", devices_here())
def test_each_device_that_is_here_encodes_as_the_cpu_does(device: str) -> None:
    image = default_bundle() / "image.onnx"
    pixels = np.random.default_rng(0).normal(size=(3, 3, 224, 224)).astype(np.float32)
    cpu, other = EncoderSession(image, threads=1), EncoderSession(image, threads=1, device=device)
    found = {one: next(iter(one.run(("pooled",), [lambda: {"pixels": pixels}])))[0] for one in (cpu, other)}
    [[alone]] = other.run(("pooled",), [lambda: {"pixels": pixels[1:2]}])
    np.testing.assert_allclose(found[other], found[cpu], atol=1e-3)
    np.testing.assert_allclose(alone[0], found[other][1], atol=1e-4)


def test_one_that_this_onnx_runtime_lacks_is_the_cpu_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    has(monkeypatch, "cpu")
    assert devices_to_try("cuda") == ["cpu"]
    [line] = caplog.messages
    assert line.startswith("device cuda: goes on with cpu: this ONNX Runtime has no CUDAExecutionProvider; ")
    assert "pip uninstall onnxruntime, then pip install onnxruntime-gpu" in line
    assert devices_to_try("coreml") == ["cpu"]
    assert "pip" not in caplog.messages[1]  # no package would help
    assert devices_to_try("cpu") == devices_to_try("auto") == ["cpu"]
    assert len(caplog.messages) == 2


def test_auto_takes_a_gpu_and_openvino_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "openvino", "cpu", "directml", "cuda")
    assert devices_to_try("auto") == ["cuda", "directml", "cpu"]
    assert devices_to_try("openvino") == ["openvino", "cpu"]


def test_one_that_does_not_start_is_the_cpu(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """ONNX Runtime itself goes on without a provider that does not start, and tells no program so."""
    if "directml" in devices_here():
        pytest.skip("it does start")
    has(monkeypatch, "cpu", "directml")
    with pytest.warns(UserWarning, match="not in available provider names"):  # the wheel does not have it at all
        predictor = Predictor.load(threads=1, device="auto")
    assert predictor.device == "cpu"
    assert predictor.predict("what a day") == Predictor.load(threads=1).predict("what a day")
    [line] = [line for line in caplog.messages if line.startswith("device")]
    assert line.startswith("device directml: goes on with cpu: DmlExecutionProvider does not start here; it needs")


def test_a_graph_that_a_device_does_not_take_is_no_fault_of_the_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    azure = "AzureExecutionProvider"  # takes no operator; the CPU computes them all
    if azure not in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has no {azure}")
    monkeypatch.setitem(PROVIDERS, "openvino", Provider(azure, "", ""))
    assert open_session(HEAD, device="openvino").get_providers()[0] == azure
    with pytest.raises(DeviceError, match="cannot load graph"):
        open_session(b"no graph", device="openvino")
    with pytest.raises(BundleError):
        open_session(b"no graph")


def test_a_device_that_is_none() -> None:
    with pytest.raises(ConfigError, match="unknown device 'cud'; did you mean cuda"):
        Predictor.load(device="cud")
    assert set(typing.get_args(DeviceName)) == {AUTO, *PROVIDERS}


def test_the_command_line_says_it_in_one_line_and_answers() -> None:
    absent = next(device for device in ("directml", "coreml", "cuda") if device not in devices_here())
    words = [sys.executable, "-m", "moodfuse", "predict", "--text", "what a day", "--json", "--device"]
    done = subprocess.run([*words, absent], capture_output=True, text=True, check=True)
    assert '"label"' in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith(f"device {absent}: goes on with cpu: ")
