"""moodfuse search"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import Bar
from moodfuse.cli.reading import AlsoTrain, Columns, Quotes, Remote, Sheet, also_layer, reading_of
from moodfuse.cli.tracking import Track, publish


def search(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labelled posts: a folder with train.txt, a CSV, TSV or JSONL file.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to start from: train.epochs=10 ...")
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", "--fusion", help="The system to tune: see `moodfuse fusions`.")
    ] = "concat",
    trials: Annotated[int, typer.Option(help="Trials in total, of all processes that run this search.")] = 20,
    name: Annotated[str | None, typer.Option(help="Name of the search; by default the recipe's.")] = None,
    searches: Annotated[Path, typer.Option(help="Folder that holds searches.")] = Path("searches"),
    format: Annotated[str | None, typer.Option("--from", help="Format of DATA, if not plain.")] = None,
    offline: Offline = False,
    also_train: AlsoTrain = None,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    track: Track = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Search a model's settings on the validation fold; run it again to continue, or several times to share it."""
    from moodfuse.workflows.extras import require_training
    from moodfuse.workflows.tracking import require_tracker

    require_training()
    require_tracker(track)
    keep_offline(offline)
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.labels import Labels
    from moodfuse.learn.compare.models import model_config
    from moodfuse.settings import parse_overrides
    from moodfuse.workflows.searching import search as run_search

    config = model_config(recipe, [parse_overrides(overrides or []), *also_layer(also_train)])
    with Bar(quiet=quiet) as bar:
        reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote, notify=bar.line)
        posts = read_posts(data, reading, labels=Labels(config.labels))
        result = run_search(
            posts, config, trials=trials, name=name or recipe, searches=searches, progress=bar, notify=bar.line
        )
        publish(result.path, track, bar.line)
    if as_json:
        print(json.dumps(result.summary.as_json(), indent=1))
        return
    ended = result.summary.trials.ended
    print(f"best of {ended} trials: validation {config.train.monitor} {abs(result.score):.3f}")
    print("(chosen on these same posts, so too high: train with best.yaml, and use the held-out scores)")
    for setting, share in result.summary.importances.items():
        print(f"  {setting:<24} {share:.2f} of the differences")
    print(f"next    moodfuse train {data} --config {result.best_file} --name {name or recipe}-best")
