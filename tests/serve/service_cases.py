"""What several tests of the service need: a server in a process of its own, and requests of every kind."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ports import silent_port

MOODFUSE = [sys.executable, "-c", "from moodfuse.cli.main import main; main()"]


@dataclass
class Server:
    """A running `moodfuse serve`."""

    process: subprocess.Popen[str]
    url: str
    temporary: Path

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            return bytes(response.read())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def started_server(bundle: Path, temporary: Path, *arguments: object) -> Iterator[Server]:
    """Start `moodfuse serve` on a free port and wait until it is ready."""
    with silent_port() as port:
        pass
    command = [*MOODFUSE, "serve", str(bundle), "--port", str(port), "--threads", "1", *map(str, arguments)]
    log = (temporary / "stderr.txt").open("w")
    home = temporary / "tmp"
    home.mkdir()
    process = subprocess.Popen(command, stderr=log, text=True, env=os.environ | {"TMPDIR": str(home)})
    server = Server(process, f"http://127.0.0.1:{port}", home)
    try:
        wait_until(lambda: _ready(server), process)
        yield server
    finally:
        process.kill()
        process.wait()
        log.close()


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 90
) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the service has ended"
        assert time.monotonic() < end, "this did not come about in time"
        time.sleep(0.05)


def _ready(server: Server) -> bool:
    try:
        return b"ready" in server.get("/readyz")
    except (OSError, urllib.error.URLError):
        return False


def picture(size: tuple[int, int] = (64, 48), format: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (250, 210, 40)).save(buffer, format)
    return buffer.getvalue()


def b64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


def zipped(folder: Path, *, without: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in without:
                archive.write(path, path.relative_to(folder.parent))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
