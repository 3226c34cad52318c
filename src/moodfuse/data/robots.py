"""What the robots.txt of hosts allows: read once a host, by whatever reads from the web."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.robotparser import RobotFileParser

#: The name by which a robots.txt may address us.
AGENT = "moodfuse"
#: Bytes of a robots.txt that are read; RFC 9309 asks for 500 KiB at least.
MAX_ROBOTS = 512 * 2**10
_HOSTS = 1_000  # whose rules are remembered


@dataclass(slots=True)
class _Host:
    """The rules of a host, `None` as long as nobody has read them, and the lock of who does."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: RobotFileParser | None = None


class Robots:
    """Says what a host lets us fetch, by RFC 9309 as Python's own parser reads it (without `*` within paths).

    `read` returns what an address holds, nothing (b"") where there is no such file, and raises where that is not
    known: the next question asks again. Thread-safe; a host is asked by one thread at a time.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def allows(self, url: str) -> bool:
        """Say whether a web address may be fetched. Raises what `read` raises."""
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
        with self._lock:
            if root not in self._hosts and len(self._hosts) >= _HOSTS:
                del self._hosts[next(iter(self._hosts))]  # the oldest
            host = self._hosts.setdefault(root, _Host())
        with host.lock:
            if host.rules is None:
                host.rules = _parsed(self._read(f"{root}/robots.txt"))
        return host.rules.can_fetch(AGENT, url)


def _parsed(data: bytes) -> RobotFileParser:
    from urllib.robotparser import RobotFileParser  # HTTP, which most jobs never need

    rules = RobotFileParser()
    try:
        rules.parse(data.decode("utf-8-sig", "replace").splitlines())
    except ValueError:  # a path that is none: then the file is none
        rules.parse([])
    return rules
