"""Output for people, in their language: results on stdout; on stderr plain lines, and a bar with rate and time left."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console

from moodfuse.language import translate

if TYPE_CHECKING:
    from rich.progress import Progress

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
        self._quiet = quiet
        self._group = ""
        self._progress: Progress | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        group = what.split(",")[0]  # "training, epoch 3" continues the bar of "training"
        new, self._group = group != self._group, group
        if not console.is_terminal:
            if new and total > 1:
                self.line(f"{translate(group)} ...")
        elif not self._quiet:
            progress = self._progress = self._progress or _started()
            task = progress.tasks[0]
            if new:
                progress.reset(task.id, total=total or None, visible=True, rate="")
            rate = f"{task.speed:,.0f}/s" if task.speed else ""
            progress.update(task.id, description=translate(what), completed=done, total=total or None, rate=rate)

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        if not self._quiet:
            console.print(translate(text), markup=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


def _started() -> Progress:
    from rich import progress  # not before there is something to show: it takes long to import

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=24),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    bar.add_task("", total=None, rate="", visible=False)
    bar.start()
    return bar
