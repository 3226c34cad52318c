"""Starting the service: one process, or a parent that keeps several workers alive."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from moodfuse.errors import OutputError
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.views import map_graphs
from moodfuse.serve.connections import BoundedConnection
from moodfuse.serve.guard import Guard
from moodfuse.serve.limits import Settings
from moodfuse.serve.logs import LOGGING
from moodfuse.serve.metrics import SHARED
from moodfuse.serve.worker import SETTINGS
from moodfuse.staging import temporary_folder

_BACKLOG = 256  # connections that are taken in at a time, before any of them may be closed for too many


def serve(
    settings: Callable[[Path], Settings], *, host: str, port: int, workers: int, notify: Callable[[str], None]
) -> None:
    """Serve until the process is told to stop; its temporary folder goes with it.

    `settings` makes the settings for a temporary folder. Raises `OutputError` where host and port cannot be had.
    """
    _check_address(host, port)
    # When all is finished uvicorn raises the signal that it was stopped by once more: that must not end us before the
    # temporary folder is gone.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    with temporary_folder("serve") as folder:
        chosen = settings(folder)
        if workers > 1:
            (folder / "graphs").mkdir()
            graphs = map_graphs(read_bundle(chosen.bundle), folder / "graphs")
            chosen = chosen.model_copy(update={"graphs": graphs})
            (folder / "metrics").mkdir()
            os.environ[SHARED] = str(folder / "metrics")
        os.environ[SETTINGS] = chosen.model_dump_json()
        notify(f"serving on http://{_shown(host)}:{port}  (API at /docs{', page at /' if chosen.page else ''})")
        uvicorn.run(
            "moodfuse.serve.worker:app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=LOGGING,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http=BoundedConnection,
            backlog=_BACKLOG,
            lifespan="on",
            timeout_graceful_shutdown=max(1, int(chosen.stop_seconds)),
        )


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone; port 0 takes any. Raises `OutputError` for one in use."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise OutputError(f"port {port}: cannot be listened on ({error.strerror or error}); choose another") from None


def serve_here(app: Guard, listening: socket.socket) -> None:
    """Serve one app in this process until Ctrl-C, or until the process is told to stop."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)  # raised once more at the end, as in `serve`
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _check_address(host: str, port: int) -> None:
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise OutputError(
            f"{host}:{port}: cannot be listened on ({error.strerror or error}); choose another --port or --host"
        ) from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
