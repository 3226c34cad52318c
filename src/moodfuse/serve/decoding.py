"""Costly images: decoded in a process of its own, one at a time, whose work ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from moodfuse.data.image_cost import is_quick
from moodfuse.data.image_decoding import parse_header
from moodfuse.data.images import MAX_PIXELS, Seen, read_image
from moodfuse.data.posts import ImageRef, Status, Unread
from moodfuse.serve.decoder import read_message, write_message

_COMMAND = [sys.executable, "-P", "-m", "moodfuse.serve.decoder"]


def costly_bytes(ref: ImageRef) -> bytes | None:
    """Return the bytes of an image that takes long to decode; `None` for others, and for what is no image."""
    data = read_image(ref)
    if isinstance(data, Unread):
        return None
    try:
        return None if is_quick(parse_header(data), data) else data
    except Exception:  # Pillow raises nearly everything for hostile bytes; `look` says what is wrong
        return None


class Decoder:
    """The process that decodes costly images, and the queue before it: first come, first served.

    It starts when it is first needed. An image that takes longer than `seconds` is `image_too_costly`. It and the
    image of a caller who is cancelled meanwhile end with the process, which is then started anew.
    """

    def __init__(self, *, seconds: float, max_pixels: int = MAX_PIXELS, enough: int = 0) -> None:
        self._seconds = seconds
        self._limits = (max_pixels, enough)
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="moodfuse-decoder")
        self._process: subprocess.Popen[bytes] | None = None

    async def look(self, data: bytes) -> Seen:
        """Decode an image as `look_at` does."""
        async with self._turn:
            given_up = threading.Event()
            asking = asyncio.get_running_loop().run_in_executor(self._thread, self._ask, data, given_up)
            try:
                async with asyncio.timeout(self._seconds):
                    return await asking
            except TimeoutError:
                return _too_costly(f"not decoded within {self._seconds:g} seconds")
            except (EOFError, OSError, ValueError, KeyError, TypeError):  # it may send anything
                return _too_costly("the process that decoded it has ended")
            finally:
                if not asking.done() or asking.cancelled() or asking.exception() is not None:
                    given_up.set()
                    self._end()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._end()
        self._thread.shutdown()
        self._end()

    def _ask(self, data: bytes, given_up: threading.Event) -> Seen:
        process = self._process
        if process is None or process.poll() is not None:
            pipe, null = subprocess.PIPE, subprocess.DEVNULL  # what C libraries complain about would fill the log
            process = self._process = subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=null)
        if given_up.is_set():
            raise EOFError
        requests: Any = process.stdin
        answers: Any = process.stdout
        write_message(requests, self._limits, data)
        return _seen(*read_message(answers))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def _seen(told: Any, pixels: bytes) -> Seen:
    image = None if told["image"] is None else Image.frombytes("RGB", tuple(told["image"]), pixels)
    size = None if told["size"] is None else tuple(told["size"])
    return Seen(image, tuple(map(Status, told["status"])), told["detail"], told["format"], told["mode"], size)


def _too_costly(why: str) -> Seen:
    return Seen(None, (Status.IMAGE_TOO_COSTLY,), why)
