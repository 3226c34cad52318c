"""moodfuse report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder of a run, a comparison or a search.")],
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="RUN", help="Another run to compare with PATH, by a paired test."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; by default one in PATH."),
    ] = None,
    format: Annotated[str | None, typer.Option("--format", help="html, md or csv.")] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each figure to an SVG file in this folder too.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The run's posts, if they have moved.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Write a report as a single HTML file that needs no network, from files on disk; nothing is trained."""
    from moodfuse.workflows.reporting import write_report

    print(write_report(path, output=output, format=format, data=data, other=compare, figures=figures, force=force))
