"""What a run was made with: versions, machine, source revision."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from moodfuse.version import __version__

_PACKAGES = (
    "numpy",
    "onnxruntime",
    "tokenizers",
    "pillow",
    "torch",
    "lightning",
    "transformers",
    "scikit-learn",
    "vaderSentiment",
)


def describe_environment(data_hash: str, source: str = "") -> dict[str, Any]:
    """Return versions, machine, source revision and where the posts lie (if in `source`), as a run records them."""
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "moodfuse": __version__,
        "git": _git_revision(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": platform.machine(),
        "packages": versions,
        "command": sys.argv,
        "data_sha256": data_hash,
        "data": str(Path(source).resolve()) if source and Path(source).exists() else None,
    }


def _git_revision() -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
