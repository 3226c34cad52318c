"""Stopping: what the app must know of the signal that the server gets, before its last requests are done."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_GRACE = 3.0  # seconds beyond those that requests get: what still works then is ended


class Stopping:
    """Says whether the process was told to stop; readiness turns off then, while accepted requests are finished.

    The process ends `_GRACE` seconds after `seconds` at the latest, whatever it does. Its temporary files go: those
    in `folder`, or where it has a parent, who removes that, its own `home` in it.
    """

    def __init__(self, seconds: float, folder: Path, home: Path) -> None:
        self.begun = False
        self._seconds = seconds
        self._left = folder if multiprocessing.parent_process() is None else home

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listen to SIGTERM and SIGINT beside whoever does already."""
        if threading.current_thread() is not threading.main_thread():  # under a test client
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def note(number: int, frame: FrameType | None) -> None:
            if not self.begun:
                self.begun = True
                last = threading.Timer(self._seconds + _GRACE, self._end)
                last.daemon = True
                last.start()
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

    def _end(self) -> None:
        logging.getLogger("moodfuse.serve").error("what was not finished in %g seconds is given up", self._seconds)
        shutil.rmtree(self._left, ignore_errors=True)
        os._exit(1)
