"""A small endpoint that speaks the protocol of chats with vision, on this machine."""

from __future__ import annotations

import base64
import http.server
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

KEY = "sk-a-secret-of-this-test"
#: What a request gets: status, headers, body.
Reply = tuple[int, dict[str, str], bytes]


def completion(text: str | None, *, tokens: bool = True, **message: Any) -> Reply:
    """Return a chat completion that says `text`."""
    finish = message.pop("finish_reason", "stop")
    body: dict[str, Any] = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text} | message, "finish_reason": finish}],
    }
    if tokens:
        body["usage"] = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
    return 200, {}, json.dumps(body).encode()


def failure(status: int, message: str = "no", *, headers: dict[str, str] | None = None, **error: Any) -> Reply:
    """Return an error as such endpoints tell it."""
    return status, headers or {}, json.dumps({"error": {"message": message, **error}}).encode()


@dataclass
class Asked:
    """A request, checked: the text of the post, the sizes of its images, the rest of the body."""

    text: str
    sizes: list[tuple[int, int]]
    body: dict[str, Any]


@dataclass
class Endpoint:
    """What the server was asked, and the function that answers: it gets the request and how often that post came.

    `now` requests are being answered, `most` were at a time.
    """

    url: str
    answer: Callable[[Asked, int], Reply] = lambda asked, _: completion("positive")
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    now: int = 0
    most: int = 0

    @property
    def texts(self) -> list[str]:
        """The posts' texts, in the order of the requests."""
        return [one.text for one in self.asked]


@contextmanager
def serving() -> Iterator[Endpoint]:
    """Serve chats on a port of this machine until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/chat/completions":
                return self._send(failure(404))
            if self.headers["Authorization"] != f"Bearer {KEY}":
                return self._send(failure(401, f"Incorrect API key provided: {self.headers['Authorization']}"))
            asked = _read(json.loads(content))
            with endpoint.lock:
                times = endpoint.texts.count(asked.text)
                endpoint.asked.append(asked)
                endpoint.now += 1
                endpoint.most = max(endpoint.most, endpoint.now)
            try:
                reply = endpoint.answer(asked, times)
            finally:
                with endpoint.lock:  # before the reply is sent: who has it may ask at once
                    endpoint.now -= 1
            return self._send(reply)

        def _send(self, reply: Reply) -> None:
            status, headers, body = reply
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            with suppress(BrokenPipeError, ConnectionResetError):  # who asked has given up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def slow(seconds: float, reply: Reply) -> Reply:
    """Return a reply late."""
    time.sleep(seconds)
    return reply


def _read(body: dict[str, Any]) -> Asked:
    """Read a request as the protocol has it: a system's message, then the user's text and images as data URLs."""
    system, user = body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    texts = [part["text"] for part in user["content"] if part["type"] == "text"]
    sizes = []
    for part in user["content"]:
        if part["type"] == "image_url":
            kind, data = part["image_url"]["url"].split(";base64,")
            assert kind == "data:image/jpeg"
            sizes.append(Image.open(io.BytesIO(base64.b64decode(data, validate=True))).size)
    return Asked(" ".join(texts), sizes, body)
