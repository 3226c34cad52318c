"""What was fetched, kept on disk by its address."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

LOG = logging.getLogger("moodfuse.images")

#: Bytes that all images together may take; the least recently used go first.
CAP_BYTES = 5_000_000_000
_WRITING_SECONDS = 3_600  # a hidden file that is older is no longer written: its process was killed
_TRIM_EVERY = 500  # images kept between two looks at how much there is


class FetchCache:
    """Files by the hash of an address. Losing them costs time, never a result; several processes may share them."""

    def __init__(self, folder: Path, *, cap_bytes: int = CAP_BYTES) -> None:
        self._folder = folder
        self._cap = cap_bytes
        self._lock = threading.Lock()
        self._kept = 0
        self._usable = True

    def holds(self, url: str) -> bool:
        """Say whether an address is kept."""
        return self._path(url).is_file()

    def get(self, url: str) -> bytes | None:
        """Return what is kept of an address, `None` for nothing."""
        path = self._path(url)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, url: str, data: bytes) -> None:
        """Keep what an address held. A folder that cannot be written to is warned of once, and left alone."""
        if not self._usable:
            return
        path = self._path(url)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
            with self._lock:
                self._kept += 1
                if self._kept % _TRIM_EVERY == 1:
                    self._trim()
        except OSError as error:
            self._usable = False
            LOG.warning("images cannot be kept in %s (%s): going on without", self._folder, error.strerror)

    def _trim(self) -> None:
        """Remove the least recently used files until the rest is under the cap, and what killed processes left."""
        found = []
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):  # what another process has removed meanwhile
                one = path.stat()
                if not path.name.startswith("."):
                    found.append((path, one))
                elif time.time() - one.st_mtime > _WRITING_SECONDS:
                    path.unlink()
        total = sum(one.st_size for _, one in found)
        for path, one in sorted(found, key=lambda pair: pair[1].st_mtime):
            if total <= self._cap:
                return
            path.unlink(missing_ok=True)
            total -= one.st_size

    def _path(self, url: str) -> Path:
        name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name[2:]
