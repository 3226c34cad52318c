"""moodfuse compare"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from moodfuse.cli.judge import JudgeBudget, JudgeModel, JudgePrices, JudgeRate, JudgeUrl, YesSend, judge_of
from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import Bar, say
from moodfuse.cli.reading import AlsoTrain, Columns, Quotes, Remote, Sheet, also_layer, reading_of
from moodfuse.cli.tracking import Track, publish
from moodfuse.errors import ConfigError
from moodfuse.evaluate.names import METRIC_NAMES

if TYPE_CHECKING:
    from moodfuse.records.results import ComparisonResults, MeanScore

Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled posts: a folder with train.txt, a CSV, TSV or JSONL file.")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings of every model: train.epochs=10 ...")
]
Fusions = Annotated[str, typer.Option(help="Fusions or recipes, separated by commas, or all, pooled, tokens.")]
Seeds = Annotated[int, typer.Option(help="Trainings of each cell, with seeds from `seed` on.")]
Folds = Annotated[int, typer.Option(help="Cells to run, 2 to 5; each tests a fifth of the posts, five test all posts.")]
Trials = Annotated[
    int, typer.Option(help="Trials that tune each cell's settings inside its training folds (0: recipes).")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FUSION",
        help="A fusion with each of the values of KEY=A,B: model.options.gate=image,text. Repeatable.",
    ),
]
Robustness = Annotated[
    bool, typer.Option("--robustness", help="Also damage a sample of texts and images, and test on it.")
]


def compare(
    data: Data,
    overrides: Overrides = None,
    fusions: Fusions = "all",
    seeds: Seeds = 3,
    folds: Folds = 5,
    trials: Trials = 0,
    vary: Vary = None,
    name: Annotated[str, typer.Option(help="Name of the comparison.")] = "comparison",
    comparisons: Annotated[Path, typer.Option(help="Folder that holds comparisons.")] = Path("comparisons"),
    workers: Annotated[int | None, typer.Option(help="Processes; by default as many as there are cores.")] = None,
    robustness: Robustness = False,
    judge: JudgeUrl = None,
    judge_model: JudgeModel = "",
    judge_rate: JudgeRate = 60.0,
    judge_prices: JudgePrices = None,
    judge_budget: JudgeBudget = None,
    yes_send: YesSend = False,
    format: Annotated[str | None, typer.Option("--from", help="Format of DATA, if not plain.")] = None,
    offline: Offline = False,
    also_train: AlsoTrain = None,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    track: Track = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Compare fusions on the same posts: which is best, whether text and image both help, which do not differ.

    The same command again continues an interrupted comparison.
    """
    from moodfuse.workflows.extras import require_training

    require_training()  # before what asks for a part of that extra
    from moodfuse.workflows.tracking import require_tracker

    require_tracker(track)
    keep_offline(offline)
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.settings import parse_overrides, split_axes
    from moodfuse.workflows.comparison.run import compare as run_comparison
    from moodfuse.workflows.reporting import write_last_report

    words, axes = split_axes(overrides or []) if vary else (overrides or [], {})
    if vary and not axes:
        told = " ".join(vary)
        raise ConfigError(f"--vary {told}: expected a setting with several values (model.options.gate=image,text)")
    with Bar(quiet=quiet) as bar:
        reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote, notify=bar.line)
        result = run_comparison(
            data,
            fusions=[word.strip() for word in fusions.split(",") if word.strip()],
            seeds=seeds,
            folds=folds,
            trials=trials,
            name=name,
            comparisons=comparisons,
            overrides=[parse_overrides(words), *also_layer(also_train)],
            reading=reading,
            workers=workers,
            robustness=robustness,
            vary=dict.fromkeys(vary or [], axes),
            judge=judge_of(judge, judge_model, judge_rate, judge_prices, judge_budget, yes_send),
            progress=bar,
            notify=bar.line,
        )
        report = write_last_report(result.path, bar.line)
        publish(result.path, track, bar.line)
    if as_json:
        print(json.dumps(result.results.as_json(), indent=1, ensure_ascii=False))
        return
    _print(result.results)
    say(f"comparison  {result.path}")
    if report:
        say(f"report      {report}")


def _print(results: ComparisonResults) -> None:
    for line in results.headlines:
        say(_sentence(line))
    say()
    told: set[frozenset[str]] = set()
    for verdict in results.verdicts:
        if (pair := frozenset((verdict.a, verdict.b))) not in told:
            told.add(pair)
            say(_sentence(verdict.words))
    say()
    say(f"{results.posts} posts, {'out of fold' if results.folds > 1 else 'which also chose'}; 95 % intervals")
    table = Table("model", *METRIC_NAMES.values(), "ECE", "weights", "s per cell", box=None, pad_edge=False)
    errors = {entry.arm: entry.ece for entry in results.calibration}
    for row in results.rows:
        scores = [_score(row.overall()[metric]) for metric in METRIC_NAMES]
        table.add_row(row.arm, *scores, f"{errors[row.arm]:.3f}", f"{row.parameters:,}", f"{row.seconds:.1f}")
    Console(width=None if Console().is_terminal else 160).print(table)
    for note in results.notes:
        say(note)


def _score(score: MeanScore) -> str:
    spread = f" ± {score.sd_seeds:.3f}" if score.sd_seeds is not None else ""
    return f"{score.value:.3f}{spread} ({score.low:.3f} to {score.high:.3f})"


def _sentence(words: str) -> str:
    start = "The " if words.startswith("the ") else words[:4]  # a model's name is never capitalised
    return start + words[4:] + "."
