"""How long-running work reports its progress; the caller passes in the function that shows it."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (description of the work, steps done, total steps; 0 if unknown).
Progress = Callable[[str, int, int], None]
#: Called with a line for the user.
Notify = Callable[[str], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


def mute(_line: str) -> None:
    """Show no line."""
