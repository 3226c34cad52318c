"""moodfuse search"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import AlsoTrain, Columns, Quotes, Remote, Sheet, also_layer, reading_of
from moodfuse.cli.tracking import Track, publish
from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from moodfuse.records.record import Number
    from moodfuse.workflows.searching import SearchResult


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
    grid: Annotated[
        bool, typer.Option("--grid", help="Try every combination of the values of KEY=A,B: optim.lr=1e-5,2e-5 ...")
    ] = False,
    space: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML of what to search: optim.lr: {low: 1e-5, high: 1e-2, log: true} ..."),
    ] = None,
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

    require_training()  # before what asks for a part of that extra
    from moodfuse.workflows.tracking import require_tracker

    require_tracker(track)
    keep_offline(offline)
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.labels import Labels
    from moodfuse.learn.compare.models import model_config
    from moodfuse.learn.search.own_space import read_space
    from moodfuse.settings import parse_overrides, split_axes
    from moodfuse.workflows.reporting import write_last_report
    from moodfuse.workflows.searching import search as run_search

    words, axes = split_axes(overrides or []) if grid else (overrides or [], {})
    if grid and not axes:
        raise ConfigError("--grid: expected a setting with several values, such as optim.lr=1e-5,2e-5")
    if grid and space:
        raise ConfigError("expected --grid or --space, found both")
    config = model_config(recipe, [parse_overrides(words), *also_layer(also_train)])
    own = read_space(space) if space else None
    with Bar(quiet=quiet) as bar:
        reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote, notify=bar.line)
        posts = read_posts(data, reading, labels=Labels(config.labels))
        result = run_search(
            posts,
            config,
            trials=trials,
            name=name or recipe,
            grid=_numbers(axes),
            space=own,
            searches=searches,
            progress=bar,
            notify=bar.line,
        )
        report = write_last_report(result.path, bar.line)
        publish(result.path, track, bar.line)
    if as_json:
        print(json.dumps(result.summary.as_json(), indent=1))
        return
    if axes:
        _print_points(result)
    _print_best(result, config.train.monitor)
    if report:
        say(f"report  {report}")
    say(f"next    moodfuse train {data} --config {result.best_file} --name {name or recipe}-best")


def _print_best(result: SearchResult, monitor: str) -> None:
    scored = "macro_f1" if monitor == "none" else monitor
    say(f"best of {result.summary.trials.ended} trials: validation {scored} {abs(result.score):.3f}")
    before, after = result.summary.config.flat(), result.summary.best.flat()
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    for key, value in changed.items():
        say(f"  {key:<24} {_shown(value)}, was {_shown(before.get(key))}")
    if not changed:
        say("  no values were better than the recipe's own")
    if result.summary.gain:
        say(f"gain over the recipe's own values: {result.summary.gain}")
    say("(chosen on these same posts, so too high: train with best.yaml, and use the held-out scores)")
    for setting, share in result.summary.importances.items():
        say(f"  {setting:<24} {share:.2f} of the differences")


def _shown(value: JsonValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print_points(result: SearchResult) -> None:
    """Print a row for each point of the grid, the best first."""
    from rich.console import Console
    from rich.table import Table

    from moodfuse.records.search import read_search

    trials = sorted(read_search(result.path).trials, key=lambda trial: -(trial.score or float("-inf")))
    table = Table(*trials[0].settings, "validation score", "epochs", box=None, pad_edge=False)
    for trial in trials:
        values = [f"{value:g}" for value in trial.settings.values() if value is not None]
        table.add_row(*values, "-" if trial.score is None else f"{trial.score:.3f}", str(trial.epochs))
    Console(width=None if Console().is_terminal else 160).print(table)


def _numbers(axes: dict[str, list[Any]]) -> dict[str, list[Number]]:
    for key, values in axes.items():
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"--grid {key}: expected numbers, found {value!r}; compare --vary takes words")
    return axes
