"""A bundle that was made elsewhere is tried before it is used: three posts, in a process that may take so much.

What passed, or was made here, is noted by its seal in the cache: it is not tried again.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import onnxruntime

from moodfuse import files
from moodfuse.errors import BundleError, ConfigError, MoodfuseError
from moodfuse.version import __version__

#: Seconds of CPU time that opening a bundle and answering may take, and one more for so many bytes of its files.
SECONDS, BYTES_A_SECOND = 3, 100_000_000
#: Bytes of memory beside four times those of the files (Linux).
BYTES = 2_000_000_000
_WALL = 15  # times as long until the process is ended where it waits, or where the system counts no CPU time
_OUT_OF_TIME = getattr(signal, "SIGXCPU", 0)
_PROGRAM = "import sys; from moodfuse.runtime.trial import answer; answer(*sys.argv[1:])"
#: How the process ends where it has told why a bundle will not do.
REFUSED = 9
_REMEDY = "get the bundle from somebody whom you trust"


def probe(folder: Path, seal: str, names: Iterable[str]) -> None:
    """Try a bundle, unless one of the same `seal` has passed here; `names` are its files.

    Raises `BundleError` where it takes too much time or memory, ends the process, or answers with what is no answer.
    """
    if _is_noted(seal) or not sys.executable or getattr(sys, "frozen", False):  # a program that is no Python
        return
    size = sum((folder / name).stat().st_size for name in names)
    seconds = _seconds() + size // BYTES_A_SECOND
    words = [sys.executable, "-P", "-c", _PROGRAM, str(folder), str(seconds), str(BYTES + 4 * size)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds * _WALL
        )
    except subprocess.TimeoutExpired:
        raise BundleError(_too_long(folder, seconds)) from None
    except OSError:  # a place where nobody may start a process
        return
    if done.returncode == REFUSED:
        raise BundleError(done.stdout.decode("utf-8", "replace").strip())
    if done.returncode < 0:
        if done.returncode == -_OUT_OF_TIME:
            raise BundleError(_too_long(folder, seconds))
        raise BundleError(f"{folder}: opening it ended the process (signal {-done.returncode}); {_REMEDY}")
    if done.returncode == 0:
        note(seal)


def note(seal: str) -> None:
    """Note that the bundle of a seal needs no trial; without a cache that can be written, all are tried each time."""
    with suppress(MoodfuseError):
        files.write_bytes(_note(seal), b"")


def _is_noted(seal: str) -> bool:
    with suppress(MoodfuseError):
        return _note(seal).exists()
    return False


def _note(seal: str) -> Path:
    versions = f"{seal} {__version__} {onnxruntime.__version__}"
    return files.make_folder(files.cache_folder() / "bundles") / hashlib.sha256(versions.encode()).hexdigest()


def _too_long(folder: Path, seconds: int) -> str:
    return (
        f"{folder}: opening it and answering three posts takes more than {seconds} s of CPU time; {_REMEDY}, or "
        "allow more with MOODFUSE_PROBE_SECONDS"
    )


def _seconds() -> int:
    raw = os.environ.get("MOODFUSE_PROBE_SECONDS") or str(SECONDS)
    if not raw.isdecimal() or int(raw) < 1:
        raise ConfigError(f"MOODFUSE_PROBE_SECONDS: expected a whole number of 1 or more, found {raw!r}")
    return int(raw)
