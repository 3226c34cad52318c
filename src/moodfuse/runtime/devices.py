"""Devices by name: the execution providers of ONNX Runtime, which of them are here, and what to do about the others."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache

import onnxruntime

from moodfuse.errors import ConfigError, MoodfuseError, suggest

LOG = logging.getLogger("moodfuse.devices")

AUTO, CPU = "auto", "cpu"
GPUS = ("cuda", "directml", "coreml")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider by ONNX Runtime's name, the package that has it, what it needs beside that package, its options."""

    name: str
    package: str
    needs: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def remedy(self) -> str:
        """What to do to have it. All these packages write to one folder: the last one installed is what is there."""
        if self.package == "onnxruntime":
            return f"needs {self.needs}"
        return f"pip uninstall onnxruntime, then pip install {self.package} (needs {self.needs})"


#: By device, in the order in which `auto` looks for them; it ends with the CPU, so OpenVINO runs where it is named.
PROVIDERS = {
    "cuda": Provider(
        "CUDAExecutionProvider",
        "onnxruntime-gpu",
        "an NVIDIA GPU, CUDA and cuDNN",
        # Full precision, as on the CPU; no search for the fastest convolution at each new size of a batch.
        {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    ),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", "Windows and a GPU with DirectX 12"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime", "macOS"),
    CPU: Provider("CPUExecutionProvider", "onnxruntime", "nothing"),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino", "a processor of Intel"),
}


class DeviceError(MoodfuseError):
    """A device is not here, does not start, or does not take a graph. The CPU does."""


def devices_here() -> list[str]:
    """Return the devices that the installed ONNX Runtime has providers for, in the order of `PROVIDERS`."""
    found = onnxruntime.get_available_providers()
    return [device for device, provider in PROVIDERS.items() if provider.name in found]


def devices_to_try(device: str) -> list[str]:
    """Return where graphs are to run, first choice first; the CPU comes last. Raises `ConfigError` for no device.

    One that is named and not here is left out, with a line in the log that says what to install.
    """
    if device != AUTO and device not in PROVIDERS:
        raise ConfigError(suggest(device, (AUTO, *PROVIDERS), what="device"))
    here = devices_here()
    if device == AUTO:
        return here[: here.index(CPU) + 1]
    if device not in here:
        provider = PROVIDERS[device]
        tell_fallback(device, f"this ONNX Runtime has no {provider.name}; {provider.remedy}", CPU)
    return [device, CPU] if device in here and device != CPU else [CPU]


def tell_fallback(device: str, reason: str, instead: str) -> None:
    """Write the line that says which device is taken instead of another, and why."""
    LOG.warning("device %s: goes on with %s: %s", device, instead, reason)


def session_providers(device: str) -> list[tuple[str, dict[str, str]]]:
    """Return the `providers` of a session: the device's, and the CPU for the operators that it lacks."""
    if device != CPU:
        onnxruntime.set_default_logger_severity(4)  # what goes wrong is told in a line of ours
    if device == "cuda":
        _load_cuda()
    return [(one.name, one.options) for one in (PROVIDERS[name] for name in dict.fromkeys((device, CPU)))]


def check_started(device: str, providers: Sequence[str]) -> None:
    """Raise `DeviceError` if a session that was asked to run on a device does not have its provider."""
    wanted = PROVIDERS[device]
    if wanted.name not in providers:
        said = f" ({_load_cuda()})" if device == "cuda" and _load_cuda() else ""
        raise DeviceError(f"{wanted.name} does not start here{said}; it needs {wanted.needs}")


@cache
def _load_cuda() -> str:
    """Load CUDA and cuDNN where pip or the system has put them; return the first thing that ONNX Runtime misses."""
    said = io.StringIO()
    if hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on
        with redirect_stdout(said):
            onnxruntime.preload_dlls()
    return next(iter(said.getvalue().splitlines()), "")
