"""moodfuse reproduce"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import Columns, Quotes, Remote, Sheet, Validation, reading_of, validation_layer
from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.records.reproduction import Reproduction


def reproduce(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="s0, s1, s2, s3 or s4, or the report's title.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled posts, and the unlabelled beside them.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings of every system: train.device=gpu ..."),
    ] = None,
    encoders: Annotated[
        Literal["packaged", "original"], typer.Option(help="Those of the package, or the report's, from a model hub.")
    ] = "packaged",
    quick: Annotated[bool, typer.Option("--quick", help="300 posts, an epoch: minutes.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The report's whole budget: days without a GPU.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; by default reproductions/REPORT.")
    ] = None,
    validation: Validation = None,
    workers: Annotated[int | None, typer.Option(help="Processes; by default as many as there are cores.")] = None,
    format: Annotated[str | None, typer.Option("--from", help="Format of DATA, if not plain.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask a model hub.")] = False,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run a course report again, with its traps put right: its systems, ablations, tables, curves and submission.

    The same command again continues an interrupted reproduction.
    """
    from moodfuse.workflows.extras import require_training

    require_training()
    if quick and full:
        raise ConfigError("--quick and --full: give one of them, or neither")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.settings import parse_overrides
    from moodfuse.workflows.reproduction.run import reproduce as run_reproduction

    with Bar(quiet=quiet) as bar:
        result = run_reproduction(
            report,
            data,
            encoders=encoders,
            budget="quick" if quick else "full" if full else "cut",
            output=output,
            overrides=[parse_overrides(overrides or []), *validation_layer(validation)],
            reading=reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote, notify=bar.line),
            workers=workers,
            progress=bar,
            notify=bar.line,
        )
    if as_json:
        print(json.dumps(result.record.as_json(), indent=1, ensure_ascii=False))
        return
    _print(result.record)
    say(f"report      {result.folder.page}")
    say(f"submission  {result.folder.submission}" if result.record.submission else "submission  none")


def _print(record: Reproduction) -> None:
    from moodfuse.report.document import shown
    from moodfuse.report.reproduction import score_table

    for line in record.headlines:
        say(f"{line}.")
    if record.cut:
        say(f"cut of the report's budget: {'; '.join(record.cut)}")
    say("")
    content = score_table(record)
    table = Table(*content.columns, box=None, pad_edge=False)
    for row in content.rows:
        table.add_row(*map(shown, row))
    Console(width=None if Console().is_terminal else 200).print(table)
    if record.submission:
        counts = record.submission.labels
        total = sum(counts.values()) or 1
        say("\nunlabelled posts: " + ", ".join(f"{label} {n} ({n / total:.1%})" for label, n in counts.items()))
