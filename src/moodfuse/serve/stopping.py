"""Stopping: what the app must know of the signal that the server gets, before its last requests are done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopping:
    """Says whether the process was told to stop; readiness turns off then, while accepted requests are finished."""

    def __init__(self) -> None:
        self.begun = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listen to SIGTERM and SIGINT beside whoever does already."""
        if threading.current_thread() is not threading.main_thread():  # under a test client
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def note(number: int, frame: FrameType | None) -> None:
            self.begun = True
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)
