"""Fetching images from the web: politely, within limits, never from where only this machine can reach."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from moodfuse import files
from moodfuse.data.fetch_cache import FetchCache
from moodfuse.data.posts import ImageRef, ImageUri, Status, Unread
from moodfuse.data.robots import MAX_ROBOTS, Robots
from moodfuse.errors import in_a_line

if TYPE_CHECKING:
    from moodfuse.data.connecting import Response

#: Most seconds that an image may take, redirects and all.
TIME_LIMIT = 30.0
#: Largest image that is fetched, in bytes: several are at once.
MAX_FETCHED = 32 * 2**20
#: Most redirects that are followed.
MAX_REDIRECTS = 5
#: Most requests a second to one host.
A_HOST_A_SECOND = 10.0
#: A host that failed to answer so often in a row is left alone.
_GIVEN_UP_AFTER = 8
_AT_ONCE = 16  # threads that fetch ahead
_CHUNK = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)
_Found = TypeVar("_Found")


class _NotFetchedError(Exception):
    """Why an address gave nothing."""


class Fetcher:
    """Fetches addresses, each once: what came is kept on disk, what did not come is remembered.

    Addresses on this machine or its private networks are refused, unless `allow_private`, and so is what the
    robots.txt of a host refuses. Thread-safe.
    """

    def __init__(self, folder: Path, *, allow_private: bool = False, time_limit: float = TIME_LIMIT) -> None:
        self._cache = FetchCache(folder)
        self._allow_private = allow_private
        self._time_limit = time_limit
        self._lock = threading.Lock()
        self._failed: dict[str, Unread] = {}
        self._next: dict[str, float] = {}  # host -> when it may be asked next
        self._silent: Counter[str] = Counter()  # host -> how often in a row it did not answer
        self._ahead: dict[str, Future[None]] = {}
        self._queue: queue.SimpleQueue[tuple[str, Future[None]]] = queue.SimpleQueue()
        self._threads = 0
        self._robots = Robots(lambda url: self._follow(url, _robots_of, obey=False))

    def read(self, url: str) -> bytes | Unread:
        """Return what an address holds, or why that is nothing. Never raises."""
        with self._lock:
            ahead = self._ahead.get(url)
        if ahead is not None:
            ahead.result()
        return self._get(url)

    def fetch_ahead(self, urls: Iterable[str]) -> None:
        """Begin to fetch what will soon be read, in a few threads that end with the process."""
        for url in urls:
            with self._lock:
                if url in self._ahead or url in self._failed:
                    continue
                waiting: Future[None] = Future()
                self._ahead[url] = waiting
                starting = self._threads < _AT_ONCE
                self._threads += starting
            self._queue.put((url, waiting))
            if starting:
                threading.Thread(target=self._work, name="moodfuse-fetch", daemon=True).start()

    def forget_ahead(self) -> None:
        """Give up what has not begun, because nobody will read it."""
        while True:
            try:
                url, waiting = self._queue.get_nowait()
            except queue.Empty:
                return
            self._done(url, waiting)

    def _work(self) -> None:
        while True:
            url, waiting = self._queue.get()
            try:
                if not self._cache.holds(url):
                    self._get(url)
            finally:
                self._done(url, waiting)

    def _done(self, url: str, waiting: Future[None]) -> None:
        with self._lock:
            self._ahead.pop(url, None)
        waiting.set_result(None)

    def _get(self, url: str) -> bytes | Unread:
        if (kept := self._cache.get(url)) is not None:
            return kept
        if (failure := self._failed.get(url)) is not None:
            return failure
        try:
            data = self._follow(url, _image_of)
        except _NotFetchedError as error:
            data = Unread(Status.IMAGE_NOT_FETCHED, str(error))
        if isinstance(data, bytes):
            self._cache.put(url, data)
        else:
            self._failed[url] = data
        return data

    def _follow(self, url: str, read: Callable[[Response, float], _Found], *, obey: bool = True) -> _Found:
        """Return what `read` makes of the answer of an address, redirects followed.

        `read` gets the answer and when, by the monotonic clock, the time is over. With `obey` nothing is asked for
        that a robots.txt refuses. Raises `_NotFetchedError`.
        """
        from moodfuse.data.connecting import connect  # TLS and HTTP, which most jobs never need

        end = time.monotonic() + self._time_limit
        for _ in range(MAX_REDIRECTS + 1):
            host = _host_of(url)
            if self._silent[host] >= _GIVEN_UP_AFTER:
                raise _NotFetchedError(f"{host} did not answer {_GIVEN_UP_AFTER} times in a row")
            if obey:
                end += self._ask_robots(url, host)
            self._wait_for(host)
            end = max(end, time.monotonic() + 1)  # waiting for its turn is not the host's fault
            try:
                with connect(url, end, allow_private=self._allow_private) as response:
                    self._silent[host] = 0
                    if response.status in _REDIRECTS and response.location:
                        url = urljoin(url, response.location)
                        continue
                    return read(response, end)
            except PermissionError as error:  # an address that is refused
                raise _NotFetchedError(str(error)) from None
            except TimeoutError:
                self._silent[host] += 1
                raise _NotFetchedError("took too long") from None
            except _NotFetchedError:
                raise
            except Exception as error:  # sockets, TLS and HTTP raise anything for what is out there
                self._silent[host] += isinstance(error, OSError)
                raise _NotFetchedError(in_a_line(error)) from None
        raise _NotFetchedError(f"more than {MAX_REDIRECTS} redirects")

    def _ask_robots(self, url: str, host: str) -> float:
        """Return how many seconds it took to learn that an address may be fetched. Raises `_NotFetchedError`."""
        began = time.monotonic()
        try:
            allowed = not is_web(url) or self._robots.allows(url)
        except ValueError as error:  # what is quoted in it makes it no address
            raise _NotFetchedError(in_a_line(error)) from None
        if not allowed:
            raise _NotFetchedError(f"robots.txt of {host} refuses")
        return time.monotonic() - began

    def _wait_for(self, host: str) -> None:
        """Wait for the host's turn: no more than `A_HOST_A_SECOND` requests a second."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(host, 0.0))
            self._next[host] = turn + 1 / A_HOST_A_SECOND
        time.sleep(turn - now)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError as error:  # brackets that do not pair up
        raise _NotFetchedError(in_a_line(error)) from None


def _robots_of(response: Response, end: float) -> bytes:
    """Return a robots.txt; a host that says that it has none, or shows none, allows everything (RFC 9309)."""
    if response.status >= 500:
        raise _NotFetchedError(f"{response.status} for its robots.txt")
    if response.status != 200:
        return b""
    data = response.read(MAX_ROBOTS)
    if time.monotonic() > end:
        raise TimeoutError
    return data


def _image_of(response: Response, end: float) -> bytes | Unread:
    """Return an image; more than `MAX_FETCHED` bytes are too large."""
    if response.status != 200:
        raise _NotFetchedError(f"{response.status} {response.reason}".strip())
    if (response.length or 0) > MAX_FETCHED:
        return Unread(Status.IMAGE_TOO_LARGE)
    parts, size = [], 0
    while chunk := response.read(_CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_FETCHED:
            return Unread(Status.IMAGE_TOO_LARGE)
        if time.monotonic() > end:
            raise TimeoutError
    if response.length is not None and size < response.length:
        raise _NotFetchedError("broke off")
    return b"".join(parts)


@lru_cache(maxsize=1)
def fetcher() -> Fetcher:
    """Return the process's fetcher, which keeps images in the cache folder."""
    return Fetcher(files.cache_folder() / "images")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=fetcher.cache_clear)  # threads and locks do not survive a fork


def fetch_ahead(images: Iterable[ImageRef]) -> None:
    """Begin to fetch those of the images that are named by a web address and may be fetched."""
    urls = [one.uri for one in images if isinstance(one, ImageUri) and one.follow and is_web(one.uri)]
    if urls:
        fetcher().fetch_ahead(urls)


def is_web(address: str) -> bool:
    """Say whether an address is fetched by HTTP."""
    return address.lower().startswith(("http://", "https://"))


def forget_ahead() -> None:
    """Give up what was to be fetched ahead and has not begun."""
    if fetcher.cache_info().currsize:
        fetcher().forget_ahead()
