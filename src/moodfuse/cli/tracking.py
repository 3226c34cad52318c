"""The option that publishes results to an experiment tracker: the same for every verb that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moodfuse.progress import Notify

Track = Annotated[
    str | None,
    typer.Option("--track", metavar="TRACKER", help="Publish the result: mlflow, wandb or tensorboard."),
]


def publish(path: Path, tracker: str | None, notify: Notify) -> None:
    """Publish the run, comparison or search in `path` if a tracker is named, and notify where it is."""
    if tracker is None:
        return
    from moodfuse.workflows.tracking import track

    notify(f"published to {track(path, tracker)}")
