"""moodfuse summary"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import Columns, Quotes, Sheet, reading_of
from moodfuse.errors import ConfigError


def summary(
    answers: Annotated[Path, typer.Argument(metavar="ANSWERS", help="What moodfuse predict wrote.")],
    by: Annotated[
        str,
        typer.Option(help="Up to three columns (hashtag, language too), and hour, day, week, month, quarter or year."),
    ] = "",
    time: Annotated[str | None, typer.Option(help="Column of times, if it has no well-known name.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .html, .md, .csv or .json.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle or run that gave the answers; by default moodfuse's own.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that paths of images start from, if not that of ANSWERS.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row for each label of each group.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists (never over ANSWERS).")] = False,
    format: Annotated[str | None, typer.Option("--from", help="Format of ANSWERS, if not plain.")] = None,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Tell from answers how often each label is, with error bars: overall, over time and by column."""
    from moodfuse.data.formats.base import PREDICTING
    from moodfuse.decide.sentences import lines
    from moodfuse.files import csv_text
    from moodfuse.workflows.destination import check_destinations
    from moodfuse.workflows.summarising import summarise, summary_format, write_summary

    if as_json and as_csv:
        raise ConfigError("--json does not go with --csv; leave one of them out")
    reading = reading_of(PREDICTING, columns, sheet, quotes, format=format, answers=True)
    if output is not None:
        summary_format(output)
        check_destinations([output], answers, reading, force=force)
    with Bar(quiet=quiet) as bar:
        found = summarise(answers, by=by, time=time, bundle=bundle, reading=reading, progress=bar)
        if output is not None:
            write_summary(found, output, images=images)
            bar.line(f"written to {output}")
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(csv_text(found.rows()))
    elif output is None or not quiet:
        say("\n".join(lines(found)))
