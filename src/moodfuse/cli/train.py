"""moodfuse train"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import Bar, note, say
from moodfuse.cli.reading import (
    AlsoTrain,
    Columns,
    Quotes,
    Remote,
    Sheet,
    Validation,
    also_layer,
    reading_of,
    validation_layer,
)
from moodfuse.cli.tracking import Track, publish

if TYPE_CHECKING:
    from moodfuse.records.metrics import EstimatedScores
    from moodfuse.workflows.training import RunResult

Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled posts: a folder with train.txt, a CSV, TSV or JSONL file.")
]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings: optim.lr=3e-4 ...")]


def train(
    data: Data,
    overrides: Overrides = None,
    recipe: Annotated[str | None, typer.Option(help="The system to train: see `moodfuse fusions`.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file that overrides the recipe.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; by default the recipe's.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds runs.")] = Path("runs"),
    split: Annotated[Path | None, typer.Option(help="A split to use: CSV or JSON of id with split or fold.")] = None,
    validation: Validation = None,
    seed: Annotated[int | None, typer.Option(help="Same as seed=N.")] = None,
    device: Annotated[str | None, typer.Option(help="Same as train.device=auto|cpu|gpu|mps.")] = None,
    format: Annotated[str | None, typer.Option("--from", help="Format of DATA, if not plain.")] = None,
    offline: Offline = False,
    also_train: AlsoTrain = None,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    track: Track = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Train a model; the same command again continues an interrupted training."""
    from moodfuse.workflows.extras import require_training

    require_training()  # before what asks for a part of that extra
    from moodfuse.workflows.tracking import require_tracker

    require_tracker(track)
    keep_offline(offline)
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.data.formats.readers import read_posts
    from moodfuse.labels import Labels
    from moodfuse.learn.recipes import resolve_config
    from moodfuse.workflows.training import train as run_training
    from moodfuse.workflows.training import write_run_report

    layers = [*_layers(overrides or [], seed, device), *validation_layer(validation), *also_layer(also_train)]
    resolved = resolve_config(recipe or (None if config else "concat"), file=config, overrides=layers)
    with Bar(quiet=quiet) as bar:
        reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote, notify=bar.line)
        posts = read_posts(data, reading, labels=Labels(resolved.labels))
        chosen = recipe or config or also_train or any("model" in layer for layer in layers)
        if not chosen and len(named := posts.labelled().modalities) == 1:
            [recipe] = named
            note(f"no post has {'an image' if recipe == 'text' else 'a text'}: training the recipe {recipe}")
            resolved = resolve_config(recipe, overrides=layers)
        result = run_training(
            posts,
            resolved,
            name=name or (recipe or resolved.model.fusion).replace("/", "-"),
            runs=runs,
            split_file=split,
            workers=None,
            progress=bar,
            notify=bar.line,
        )
        report = write_run_report(result.run, bar.line)
        publish(result.run.path, track, bar.line)
    if as_json:
        print(json.dumps(result.metrics.as_json(), indent=1))
    else:
        _print_result(result, report, held_out=resolved.split.hold_out)
    if result.resumed:
        bar.line("this run had finished before; nothing was trained")


def _layers(overrides: list[str], seed: int | None, device: str | None) -> list[dict[str, Any]]:
    from moodfuse.settings import parse_overrides

    layers = [parse_overrides(overrides)]
    layers += [{"seed": seed}] if seed is not None else []
    layers += [{"train": {"device": device}}] if device is not None else []
    return layers


def _print_result(result: RunResult, report: Path | None, *, held_out: bool) -> None:
    if result.metrics.test:
        print_scores(result.metrics.test, "held-out posts" if held_out else "cross-validated posts")
    else:
        print_scores(result.metrics.scored, "validation posts")
        say(result.metrics.protocol.test)
    for modality, alone in result.metrics.alone.items():
        figures = f"accuracy {alone.accuracy:.3f}, macro-F1 {alone.macro_f1:.3f}"
        say(f"given the {modality} alone, the same model has {figures}")
    say(f"run     {result.run.path}")
    say(f"bundle  {result.run.bundle}")
    if report is not None:
        say(f"report  {report}")


def print_scores(scores: EstimatedScores, what: str) -> None:
    """Print scores with their intervals as a small table."""
    say(f"{scores.n} {what}, 95 % intervals")
    for name, value in scores.values().items():
        if name != "weighted_f1":
            low, high = scores.intervals[name]
            say(f"  {name:<12} {value:.3f}  ({low:.3f} to {high:.3f})")
