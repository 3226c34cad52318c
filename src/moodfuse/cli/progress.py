"""Output for people, in their language: results on stdout; on stderr plain lines, and a bar with rate and time left."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from moodfuse.language import translate

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print a line of a result that people read; what programs read is printed as it is."""
    print(translate(text))


def complain(text: str) -> None:
    """Print an error on stderr."""
    console.print(translate(f"error: {translate(text)}"), markup=False)  # apart, or a message takes "error" for a value


def note(text: str) -> None:
    """Print on stderr what was decided for the reader, however quiet a command is."""
    console.print(translate(f"note: {translate(text)}"), markup=False)


class Bar:
    """A context manager for a progress bar: `bar(what, done, total)` shows the latest `what`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._quiet = quiet
        self._what = ""
        self._group = ""
        self._task = self._progress.add_task("", total=None, rate="", visible=False)

    def __call__(self, what: str, done: int, total: int) -> None:
        group = what.split(",")[0]  # "training, epoch 3" continues the bar of "training"
        if group != self._group:
            self._group = group
            self._progress.reset(self._task, total=total or None, visible=True, rate="")
            if not console.is_terminal and total > 1:
                self.line(f"{translate(group)} ...")
        speed = self._progress.tasks[0].speed
        rate = f"{speed:,.0f}/s" if speed else ""
        self._progress.update(self._task, description=translate(what), completed=done, total=total or None, rate=rate)

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        if not self._quiet:
            self._progress.console.print(translate(text), markup=False)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
