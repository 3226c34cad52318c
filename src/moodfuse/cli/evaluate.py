"""moodfuse evaluate"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from moodfuse.cli.device import Device, open_predictor
from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import Columns, Quotes, Remote, Sheet, reading_of
from moodfuse.cli.train import print_scores


def evaluate(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A bundle, a run folder or hf://USER/NAME@REVISION.")
    ],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled posts.")],
    format: Annotated[str | None, typer.Option("--from", help="Format of DATA, if not plain.")] = None,
    only: Annotated[
        Literal["text", "image"] | None, typer.Option(help="Give the model only this modality of every post.")
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write each post's prediction to this CSV.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists (never over DATA).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    device: Device = "cpu",
    offline: Offline = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Score a bundle on labelled posts; posts that its training saw are left out, and counted."""
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.files import csv_text, replacing
    from moodfuse.workflows.destination import check_destinations
    from moodfuse.workflows.evaluation import evaluate_unseen

    reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote)
    if predictions is not None:
        check_destinations([predictions], data, reading, force=force)
    keep_offline(offline)
    predictor = open_predictor(bundle, None, device, quiet=quiet)
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(quiet=quiet))
        posts = read_posts(data, replace(reading, notify=bar.line), labels=predictor.labels)
        # Opened first, so that an unwritable file fails before the work.
        sink = stack.enter_context(replacing(predictions)) if predictions else None
        result = evaluate_unseen(predictor, posts, only=only, progress=bar)
        if sink:
            sink.write(csv_text(result.rows()).encode())
    if as_json:
        print(json.dumps(result.scores.as_json(), indent=1))
        return
    print_scores(result.scores, "posts")
    if seen := result.scores.seen_in_training:
        say(f"left out: {seen} posts that training or model selection had seen, or near-duplicates of them")
