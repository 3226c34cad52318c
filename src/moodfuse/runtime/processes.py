"""What must be opened anew in every process: a fork takes memory along, but none of the threads that work on it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

_Opened = TypeVar("_Opened")

#: Held while something is opened; renewed after a fork, which may happen while another thread holds it.
_opening = threading.Lock()


class OncePerProcess(Generic[_Opened]):
    """Something that is open, and opened anew by `reopen` in every other process that asks for it.

    A pickled copy holds `reopen` alone, which must itself be picklable for that.
    """

    def __init__(self, opened: _Opened, reopen: Callable[[], _Opened]) -> None:
        self._opened: _Opened | None = opened
        self._reopen = reopen
        _everywhere.add(self)

    def get(self) -> _Opened:
        """Return what is open in this process; several threads may ask at once. Raises what `reopen` raises."""
        opened = self._opened
        return self._anew() if opened is None else opened

    def leave_to_parent(self) -> None:
        """Forget what is open, after a fork. It is never closed here: that would end in threads that are not here."""
        if self._opened is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._opened))
            self._opened = None

    def _anew(self) -> _Opened:
        with _opening:
            if self._opened is None:  # else another thread was first
                self._opened = self._reopen()
            return self._opened

    def __getstate__(self) -> Callable[[], _Opened]:
        return self._reopen

    def __setstate__(self, reopen: Callable[[], _Opened]) -> None:
        self._opened, self._reopen = None, reopen
        _everywhere.add(self)


_everywhere: WeakSet[OncePerProcess[Any]] = WeakSet()


def _after_fork() -> None:
    global _opening
    _opening = threading.Lock()
    for one in _everywhere:
        one.leave_to_parent()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
