"""What stands before every request: who may ask, how much, how long; one log line and a few numbers after it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moodfuse.serve.keys import is_known, presented_key
from moodfuse.serve.limits import Access, Limits
from moodfuse.serve.metrics import Metrics
from moodfuse.serve.problems import CONTENT_TYPE, Problem

LOG = logging.getLogger("moodfuse.serve")

BATCH = "/v1/predict/batch"
_ONE_READ = 65_536  # bytes of a body that come at once
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_OPEN = frozenset({"/healthz", "/readyz"})  # what an orchestrator asks without a key
# The browser itself keeps the page from asking anybody else, and from running or showing what is not in our files.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": _POLICY,
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(slots=True, eq=False)
class _Exchange:
    """One request and its answer, as far as anybody outside may know of them."""

    scope: Scope
    limit: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    started: float = field(default_factory=time.monotonic)
    received: int = 0
    sent: int = 0
    status: int = 0
    uploaded: bool = False
    displaced: bool = False
    counted: bool = False
    #: Of all of it; `None` for what is no request for posts.
    timeout: asyncio.Timeout | None = None

    @property
    def route(self) -> str:
        """The route's template, never the path: what is asked for may be the client's secret."""
        return getattr(self.scope.get("route"), "path", "-")


class Guard:
    """ASGI middleware around everything that is served.

    `busy` counts the requests for posts that are worked on: a request is one once all of it is there.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self.app = app
        self.access = access
        self.metrics = metrics
        self.busy = 0
        self._arriving: set[_Exchange] = set()  # bodies for one post, which stand in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        exchange = _Exchange(scope, _body_limit(scope["path"], self.access.limits))
        scope.setdefault("state", {})["request_id"] = exchange.id
        telling = _telling(exchange, send)
        try:
            await self._admit(exchange, self._receiving(exchange, receive), telling)
        except Problem as problem:
            await _tell(exchange, problem, telling)
        except ClientDisconnect:
            exchange.status = exchange.status or 499  # nobody is there to be told
        except Exception as error:
            _log_fault(exchange, error)
            await _tell(exchange, Problem(500, "a fault of the service, not of the request"), telling)
        finally:
            self._leave(exchange)
            self._note(exchange)

    async def _admit(self, exchange: _Exchange, receive: Receive, send: Send) -> None:
        headers = Headers(scope=exchange.scope)
        path = exchange.scope["path"]
        _check_origin(headers, self.access.hosts)
        if _needs_key(path, self.access) and not _authorised(headers, self.access.keys):
            scheme = "Bearer" if path.startswith("/v1/") else 'Basic realm="moodfuse: any name, the key as password"'
            raise Problem(401, "expected a key: Authorization: Bearer KEY", {"WWW-Authenticate": scheme})
        if _declared(headers) > exchange.limit:
            raise _too_long(exchange)
        if not path.startswith("/v1/"):
            await self.app(exchange.scope, receive, send)
            return
        if _declared(headers) > _ONE_READ:  # refused before it is read; a small one is there with its headers
            self._refuse_if_full({"Connection": "close"})
        await self._in_time(exchange, receive, send)

    async def _in_time(self, exchange: _Exchange, receive: Receive, send: Send) -> None:
        limits = self.access.limits
        seconds = limits.batch_seconds if exchange.scope["path"] == BATCH else limits.seconds
        try:
            async with asyncio.timeout(seconds) as exchange.timeout:
                await self.app(exchange.scope, receive, send)
        except TimeoutError:
            if exchange.displaced:
                raise Problem(503, "too many requests are being sent; come again", {"Retry-After": "5"}) from None
            if exchange.uploaded:
                raise Problem(
                    503, f"no answer within {seconds:g} seconds; ask for less at a time", {"Retry-After": "5"}
                ) from None
            raise Problem(408, f"the request did not arrive within {seconds:g} seconds") from None

    def _receiving(self, exchange: _Exchange, receive: Receive) -> Receive:
        """Return `receive` with the body counted, and the request let in once all of it is there."""

        async def received() -> Message:
            if exchange.uploaded:
                return await receive()
            message = await self._next_message(exchange, receive)
            if message["type"] == "http.request":
                exchange.received += len(message.get("body", b""))
                if exchange.received > exchange.limit:
                    raise _too_long(exchange)
                exchange.uploaded = not message.get("more_body", False)
                if exchange.uploaded:
                    self._let_in(exchange)
                else:
                    self._make_room(exchange)
            return message

        return received

    async def _next_message(self, exchange: _Exchange, receive: Receive) -> Message:
        seconds = self.access.limits.idle_seconds
        try:
            async with asyncio.timeout(seconds):
                return await receive()
        except TimeoutError:
            raise Problem(
                408, f"nothing of the request came for {seconds:g} seconds", {"Connection": "close"}
            ) from None

    def _let_in(self, exchange: _Exchange) -> None:
        self._arriving.discard(exchange)
        if not exchange.scope["path"].startswith("/v1/"):
            return
        self._refuse_if_full()
        exchange.counted = True
        self.busy += 1
        self.metrics.in_flight.inc()

    def _refuse_if_full(self, headers: Mapping[str, str] | None = None) -> None:
        most = self.access.limits.in_flight
        if self.busy >= most:
            problem = f"{most} requests are being answered; come again"
            raise Problem(429, problem, {"Retry-After": "1", **(headers or {})})

    def _leave(self, exchange: _Exchange) -> None:
        self._arriving.discard(exchange)
        if exchange.counted:
            self.busy -= 1
            self.metrics.in_flight.dec()

    def _make_room(self, exchange: _Exchange) -> None:
        """Give up the largest of the unfinished bodies in memory while they are too large together."""
        if exchange.scope["path"] == BATCH:  # it goes to the disk
            return
        self._arriving.add(exchange)
        if sum(one.received for one in self._arriving) > self.access.limits.waiting_bytes:
            largest = max(self._arriving, key=lambda one: one.received)
            self._arriving.discard(largest)
            largest.displaced = True
            if largest.timeout is not None:
                largest.timeout.reschedule(0)

    def _note(self, exchange: _Exchange) -> None:
        seconds = time.monotonic() - exchange.started
        self.metrics.requests.labels(exchange.route, exchange.status).inc()
        self.metrics.seconds.labels(exchange.route).observe(seconds)
        answers = exchange.route.startswith("/v1/")
        LOG.log(
            logging.INFO if answers or exchange.status >= 400 else logging.DEBUG,
            "id=%s %s %s status=%d in=%d out=%d ms=%.1f",
            exchange.id,
            exchange.scope["method"] if exchange.scope["method"].isalpha() else "-",
            exchange.route,
            exchange.status,
            exchange.received,
            exchange.sent,
            1000 * seconds,
        )


def _body_limit(path: str, limits: Limits) -> int:
    return limits.batch_bytes if path == BATCH else limits.body_bytes


def _needs_key(path: str, access: Access) -> bool:
    return bool(access.keys) and path not in _OPEN and not (access.open_page and not path.startswith("/v1/"))


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def _too_long(exchange: _Exchange) -> Problem:
    return Problem(413, f"the request is longer than {exchange.limit:,} bytes", {"Connection": "close"})


def _authorised(headers: Headers, keys: Collection[str]) -> bool:
    return is_known(presented_key(headers.get("authorization")), keys)


def _check_origin(headers: Headers, hosts: Collection[str]) -> None:
    """Refuse what another web page has the browser send, be it by a form or by an address that was turned to us."""
    host = headers.get("host", "")
    if hosts and _host_name(host) not in hosts:
        raise Problem(421, "this service does not go by the name in the Host header; see --allow-host")
    origin = headers.get("origin")
    if origin is not None and _location(origin) != host.lower():
        raise Problem(403, "requests from other web pages are not answered")


def _location(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # an address that is none, and so not ours
        return None


def _host_name(host: str) -> str:
    """Return the name of a Host header, "" where it is more than a name and a port."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""


def loopback_names(host: str) -> tuple[str, ...]:
    """Return the names that a service bound to `host` goes by: the machine's own if it is a loopback, else any."""
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    return ("localhost", "127.0.0.1", "::1", host.lower()) if own else ()


def _telling(exchange: _Exchange, send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = exchange.id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            # Of the page's files a browser asks whether they have changed: one from an older version would break it.
            headers.setdefault("cache-control", "no-store" if exchange.scope["path"].startswith("/v1/") else "no-cache")
        elif message["type"] == "http.response.body":
            exchange.sent += len(message.get("body", b""))
        await send(message)

    return told


async def _tell(exchange: _Exchange, problem: Problem, send: Callable[[Message], Awaitable[None]]) -> None:
    if exchange.status:  # an answer has begun: that it breaks off is all that can be said now
        return
    body = problem.body(exchange.id)
    headers = {"content-type": CONTENT_TYPE, "content-length": str(len(body)), **problem.headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _log_fault(exchange: _Exchange, error: Exception) -> None:
    """Log where a fault happened and its kind; its message could hold a piece of the request."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    LOG.error("id=%s %s at %s", exchange.id, type(error).__name__, places)
