"""How long work tells how far it is; what shows it is handed in from above."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (what is being done, steps done, steps in all; 0 where unknown).
Progress = Callable[[str, int, int], None]
#: Called with a line for the user.
Notify = Callable[[str], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


def mute(_line: str) -> None:
    """Show no line."""
