"""moodfuse adapt"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import Columns, Quotes, Remote, Sheet, reading_of


def adapt(
    labels_file: Annotated[
        Path, typer.Argument(metavar="LABELS", help="Your posts, labelled: 20 at least, and 3 of each label.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the new bundle; without it nothing is written.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="The bundle or run to adapt; by default moodfuse's own.")] = None,
    labels: Annotated[
        str, typer.Option(metavar="NAME,...", help="Classes of your own (angry,sad,...), if not the bundle's labels.")
    ] = "",
    keep_anyway: Annotated[
        bool, typer.Option("--keep-anyway", help="Write the bundle even where it is not proven to be better.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is at --output.")] = False,
    format: Annotated[str | None, typer.Option("--from", help="Format of LABELS, if not plain.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Teach a model your own posts, in a minute, without PyTorch: a new bundle, if it is proven to be better."""
    from moodfuse.workflows.extras import require_adapting

    require_adapting()
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.workflows.adapting import adapt as run_adapting

    reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote)
    with Bar(quiet=quiet) as bar:
        found = run_adapting(
            labels_file,
            output,
            bundle=bundle,
            labels=labels.split(",") if labels else (),
            reading=reading,
            keep_anyway=keep_anyway,
            force=force,
            progress=bar,
            notify=bar.line,
        )
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
        return
    say("\n".join(found.lines()))
    if found.bundle is not None:
        say(f"\nbundle  {found.bundle}")
    elif output is not None:
        say(f"\nnothing was written to {output}: --keep-anyway writes it all the same")
