"""The environment of a run: versions, machine, source revision; `environment.json`."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from pydantic import Field

from moodfuse.records.record import Record
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


class Environment(Record):
    """The content of `environment.json`, which is also part of the plans of comparisons and searches."""

    moodfuse: str | None = None
    git: str | None = None
    python: str | None = None
    platform: str | None = None
    processor: str | None = None
    packages: dict[str, str | None] = Field({})
    command: list[str] = Field([])
    data_sha256: str | None = None
    #: path of the posts, if they were read from a path
    data: str | None = None


def describe_environment(data_hash: str, source: str = "") -> Environment:
    """Return versions, machine and source revision, and the path of the posts if `source` is a path that exists."""
    return Environment(
        moodfuse=__version__,
        git=_git_revision(),
        python=sys.version.split()[0],
        platform=platform.platform(),
        processor=platform.machine(),
        packages={package: _version(package) for package in _PACKAGES},
        command=sys.argv,
        data_sha256=data_hash,
        data=str(Path(source).resolve()) if source and Path(source).exists() else None,
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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
