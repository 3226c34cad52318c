"""Connections: so many at a time, and none that stays silent."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedConnection(H11Protocol):
    """uvicorn's connection, with an end to waiting for headers and to how many there are in this process.

    One that has not sent the headers of a request in time is closed. Where there are too many, the oldest of those is
    closed that have no whole request under way: a new client always gets in.
    """

    _most = 512
    _idle_seconds = 10.0
    _open: ClassVar[dict[BoundedConnection, None]] = {}  # in the order in which they came

    @classmethod
    def set_limits(cls, most: int, idle_seconds: float) -> None:
        """Set how many there may be, at most half of the descriptors that the process may have, and the seconds."""
        with contextlib.suppress(ImportError):  # Windows has no such limit
            import resource

            descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            most = most if descriptors == resource.RLIM_INFINITY else min(most, descriptors // 2)
        cls._most, cls._idle_seconds = most, idle_seconds

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._awaiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._open[self] = None
        self._await_headers()
        if len(self._open) > self._most:
            oldest = next((one for one in self._open if not one.at_work), None)
            if oldest is not None:
                oldest.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop(self, None)
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._awaiting is None:
            self._await_headers()

    @property
    def at_work(self) -> bool:
        """Whether all of a request is there, and its answer is neither sent nor given up."""
        if self.cycle is None or self.transport.is_closing():
            return False
        return not self.cycle.more_body and not self.cycle.response_complete

    def drop(self) -> None:
        """Close the connection at once."""
        self._open.pop(self, None)
        self.transport.abort()

    def _await_headers(self) -> None:
        self._awaiting = self.loop.call_later(self._idle_seconds, self.drop)

    def _stop_waiting(self) -> None:
        if self._awaiting is not None:
            self._awaiting.cancel()
            self._awaiting = None
