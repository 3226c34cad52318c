"""A small web server of images, on this machine."""

from __future__ import annotations

import http.server
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Site:
    """What the server holds, and what it was asked for."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.pages: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        #: What /robots.txt answers: status, content, where to go. It counts apart.
        self.robots = (404, b"", "")
        self.robots_asked = 0
        self.agents: set[str] = set()
        self.delay = 0.0
        self.now = self.most = 0
        self.lock = threading.Lock()


@contextmanager
def serving() -> Iterator[Site]:
    """Serve pages on a port of this machine until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/robots.txt":
                self._answer_robots()
                return
            with site.lock:
                site.asked[self.path] += 1
                site.agents.add(str(self.headers["User-Agent"]))
                site.now += 1
                site.most = max(site.most, site.now)
            try:
                time.sleep(site.delay)
                self._answer()
            finally:
                with site.lock:
                    site.now -= 1

        def _answer_robots(self) -> None:
            with site.lock:
                site.robots_asked += 1
            status, content, location = site.robots
            self.send_response(status)
            self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(content)

        def _answer(self) -> None:
            if self.path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[self.path])
                self.end_headers()
            elif self.path == "/drip":
                self.send_response(200)
                self.end_headers()
                for _ in range(200):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
            elif self.path == "/broken":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x" * 10)
            elif self.path in site.pages:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(site.pages[self.path])
            else:
                self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients may go away."""

    server = Server(("127.0.0.1", 0), Handler)
    site = Site(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
