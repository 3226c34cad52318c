"""One HTTP request to an address whose host has been resolved once, checked, and is connected to as it was checked."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import quote, urlsplit

from moodfuse.version import __version__

_STEP = 10.0  # seconds that a host may take for each step: to connect, to send the next bytes
_HEADERS = {
    "User-Agent": f"moodfuse/{__version__} (reads images that its user's posts name)",
    "Accept": "image/*,*/*;q=0.5",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Response:
    """What a host answered."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.reason = answer.reason
        self.location = answer.headers.get("Location")
        #: in bytes, as the host says; `None` where it does not
        self.length = answer.length
        self.read = answer.read


@contextmanager
def connect(url: str, end: float, *, allow_private: bool) -> Iterator[Response]:
    """Send a request and give the answer, whose body is still to be read.

    `end` is when, by the monotonic clock, the connection is cut whatever it is doing. Raises `PermissionError` for
    an address that is refused, `TimeoutError`, and whatever sockets, TLS and HTTP raise.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise PermissionError(f"{parts.scheme or 'an address without a scheme'}: not followed")
    secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    plain = _socket(parts.hostname, port, end, allow_private)
    cut = threading.Timer(max(0.0, end - time.monotonic()), _shut, [plain])
    cut.daemon = True
    cut.start()
    connection = http.client.HTTPConnection(parts.hostname, port)
    try:
        connection.sock = _tls().wrap_socket(plain, server_hostname=parts.hostname) if secure else plain
        connection.request("GET", _target(parts.path, parts.query), headers=_HEADERS)
        yield Response(connection.getresponse())
    finally:
        cut.cancel()
        connection.close()
        plain.close()


def is_public(address: str) -> bool:
    """Say whether an IP address is one that everybody reaches: not this machine, its networks or a router's own."""
    ip: _Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return ip.is_global and not ip.is_multicast


def _socket(host: str, port: int, end: float, allow_private: bool) -> socket.socket:
    """Resolve a host once, and connect to what was found: a second look could be told something else."""
    found = list(dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    if not allow_private and not all(is_public(address) for address in found):
        raise PermissionError(f"{host} is an address of this machine or of a private network: refused")
    failure: OSError = TimeoutError()
    for address in found:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            return socket.create_connection((address, port), timeout=min(_STEP, left))
        except OSError as error:
            failure = error
    raise failure


def _target(path: str, query: str) -> str:
    """Return what is asked for; characters that no request may hold are quoted, what is quoted already stays."""
    kept = "/:@!$&'()*+,;=~%"
    return quote(path or "/", safe=kept) + (f"?{quote(query, safe=kept + '?')}" if query else "")


def _shut(plain: socket.socket) -> None:
    try:
        plain.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
