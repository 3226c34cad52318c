"""moodfuse report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder of a run, a comparison or a search.")],
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="RUN", help="Another run to set beside PATH, with a paired test."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; by default PATH/report.html.")
    ] = None,
    format: Annotated[str | None, typer.Option("--format", help="html, md or csv.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the run's posts lie, if no longer where they did.")] = None,
) -> None:
    """Write a report as one HTML file that needs no network, from what is on disk; nothing is trained."""
    from moodfuse.workflows.reporting import write_report

    print(write_report(path, output=output, format=format, data=data, other=compare))
