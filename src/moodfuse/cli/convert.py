"""moodfuse convert"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import Columns, Quotes, Sheet, reading_of
from moodfuse.errors import ConfigError, suggest

if TYPE_CHECKING:
    from moodfuse.data.formats.base import Part


def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="Posts: a guid,tag or MVSA folder, a CSV, TSV, JSONL or Parquet file."),
    ],
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="Where they go.")],
    to: Annotated[
        str | None,
        typer.Option(help="guid_tag, csv, tsv, jsonl, parquet or label-studio; by default what DEST ends with."),
    ] = None,
    part: Annotated[
        str, typer.Option(help="Of a folder: train (train.txt), or predict (test_without_label.txt).")
    ] = "train",
    labels: Annotated[str | None, typer.Option(help="Label names, with commas between; by default the three.")] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put images into the file itself (jsonl, parquet, label-studio).")
    ] = False,
    outside: Annotated[
        bool, typer.Option("--outside-images", help="Copy images from outside the folder of SOURCE, too.")
    ] = False,
    format: Annotated[str | None, typer.Option("--from", help="Format of SOURCE, if not plain.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists (never over SOURCE).")] = False,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write posts as another format: every row in order, with its id, text, image and label."""
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.labels import SENTIMENT, Labels
    from moodfuse.workflows.conversion import convert as run_conversion

    names = SENTIMENT if labels is None else Labels(tuple(name.strip() for name in labels.split(",")))
    with Bar(quiet=quiet) as bar:
        done = run_conversion(
            source,
            destination,
            to=to,
            reading=reading_of(TRAINING, columns, sheet, quotes, format=format, notify=bar.line),
            part=_part(part),
            labels=names,
            embed=embed,
            force=force,
            outside=outside,
            progress=bar,
        )
    by_label = {label or "unlabelled": n for label, n in done.labels.most_common()}
    notes = {note: n for note, n in done.notes.items() if n}
    if as_json:
        print(json.dumps({"posts": done.posts, "labels": by_label, "dropped": done.dropped, "notes": notes}))
        return
    say(f"{destination}: {done.posts:,} posts as {done.format}")
    for label, n in by_label.items():
        say(f"  {label:<12} {n:>9,}")
    for reason, n in done.dropped.items():
        say(f"  {'dropped':<12} {n:>9,}  {reason}")
    for note, n in notes.items():
        say(f"  {'note':<12} {n:>9,}  {note}")


def _part(name: str) -> Part:
    if name == "train":
        return "train"
    if name == "predict":
        return "predict"
    raise ConfigError(suggest(name, ("train", "predict"), what="--part"))
