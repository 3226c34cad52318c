"""moodfuse predict"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from moodfuse.cli.device import Device, open_predictor
from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import Bar
from moodfuse.cli.reading import Columns, Quotes, Remote, Sheet, reading_of
from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.data.formats.base import Reading
    from moodfuse.runtime.predictor import Predictor
    from moodfuse.runtime.summary import Summary

_STYLES = "guid_tag, csv, tsv, jsonl, json, parquet, xlsx"
_NOT_WITH = {
    "plain": ("--address", "--workers"),
    "ray": ("--shard", "--sheet", "--to", "--force", "--spreadsheet-safe", "--text or --image"),
}


@dataclass(frozen=True, slots=True)
class _Answers:
    """Where answers go (`None`: stdout) and how, and how much is told of them."""

    path: Path | None
    to: str | None
    short: bool
    force: bool
    safe: bool
    as_json: bool
    quiet: bool


def predict(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUNDLE] [SOURCE]", help="A bundle or run folder (moodfuse brings its own); posts to label."
        ),
    ] = None,
    named: Annotated[
        str | None, typer.Option("--bundle", metavar="BUNDLE", help="BUNDLE by name, or hf://USER/NAME@REVISION.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where answers go, as its ending says: .csv .xlsx ...; by default stdout."),
    ] = None,
    to: Annotated[str | None, typer.Option(help=f"Format of the answers, if not plain: {_STYLES}.")] = None,
    format: Annotated[str | None, typer.Option("--from", help="Format of SOURCE, if not plain.")] = None,
    short: Annotated[bool, typer.Option("--answers-only", help="Leave the columns of SOURCE out.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists (never over SOURCE).")] = False,
    safe: Annotated[
        bool, typer.Option("--spreadsheet-safe", help="CSV, TSV: a ' before cells that a spreadsheet would compute.")
    ] = False,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    text: Annotated[str | None, typer.Option(help="Label one post: its text.")] = None,
    image: Annotated[
        list[Path] | None, typer.Option(help="Label one post: its image; again for each of several.")
    ] = None,
    only: Annotated[
        Literal["text", "image"] | None, typer.Option(help="Give the model this alone of every post.")
    ] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: label part i of n (from 1) alone; others do theirs.")] = None,
    remote: Remote = False,
    offline: Offline = False,
    engine: Annotated[Literal["plain", "ray"], typer.Option(help="One process, or Ray (the ray extra).")] = "plain",
    address: Annotated[str | None, typer.Option(help="Ray: host:port of a cluster; by default this machine.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Ray: workers; by default as many as fit.")] = None,
    block: Annotated[int, typer.Option(min=1, help="Ray: rows of a block, each a file of its own.")] = 1000,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads (all cores); Ray: of a worker (1).")] = None,
    device: Device = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print counts (or the one answer) as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Label posts: SOURCE comes back with an answer in every row. Without BUNDLE by the model that moodfuse brings."""
    answers = _Answers(output, to, short, force, safe, as_json, quiet)
    single = text is not None or bool(image)
    given = {"--shard": shard, "--sheet": sheet, "--to": to, "--force": force, "--spreadsheet-safe": safe}
    _check(engine, given | {"--text or --image": single, "--address": address, "--workers": workers})
    bundle, source = _what(named, paths or [], single)
    keep_offline(offline)
    if single:
        return _one(open_predictor(bundle, threads, device, quiet=quiet), text, image, as_json)
    assert source is not None
    from moodfuse.data.formats.base import PREDICTING

    reading = reading_of(PREDICTING, columns, sheet, quotes, format=format, remote=remote)
    if engine == "ray":
        job: dict[str, Any] = {"rows_a_block": block, "only": only, "short": short}
        pool: dict[str, Any] = {"count": workers, "threads": threads or 1, "device": device}
        pool["address"] = address or os.environ.get("RAY_ADDRESS")
        return _on_ray(bundle, source, reading, answers, job, pool)
    from moodfuse.data.formats.shards import Shard

    options = {"only": only, "shard": Shard.parse(shard) if shard else None}
    return _many(open_predictor(bundle, threads, device, quiet=quiet), source, reading, answers, options)


def _check(engine: str, given: dict[str, Any]) -> None:
    """Raise `ConfigError` for options that do not go together, and for a format that is none."""
    if given["--to"] is not None:
        from moodfuse.runtime.writers import answer_format

        answer_format(given["--to"])
    for name in _NOT_WITH[engine]:
        if given[name]:
            raise ConfigError(f"{name} does not go with --engine {engine}; leave one of them out")


def _what(named: str | None, paths: list[Path], single: bool) -> tuple[Path | None, Path | None]:
    """Return the bundle (`None`: the bundle that comes with moodfuse) and the posts that the arguments name."""
    from moodfuse.runtime.bundle import is_bundle

    if named is not None and (paths or single):
        paths = [Path(named), *paths]
    if len(paths) > (1 if single else 2):
        expected = "at most BUNDLE beside --text or --image" if single else "[BUNDLE] SOURCE"
        raise ConfigError(f"expected {expected}, found {len(paths)} paths: {' '.join(map(str, paths))}")
    if single:
        return (paths[0] if paths else None), None
    if not paths:
        raise ConfigError("nothing to label: expected SOURCE, --text or --image; see moodfuse predict -h")
    if len(paths) == 1 and is_bundle(paths[0]):
        raise ConfigError(f"{paths[0]}: expected posts to label behind it: moodfuse predict {paths[0]} SOURCE -o FILE")
    return (paths[0], paths[1]) if len(paths) == 2 else (None, paths[0])


def _one(predictor: Predictor, text: str | None, image: list[Path] | None, as_json: bool) -> None:
    from moodfuse.runtime.answers import prediction_row

    row = prediction_row(predictor.predict(text=text, image=image))
    row.pop("id")
    if not row["details"]:
        row.pop("details")
    if as_json:
        print(json.dumps(row))
        return
    for name, value in row.items():
        print(f"{name:<14} {value}")


def _many(predictor: Predictor, source: Path, reading: Reading, answers: _Answers, options: dict[str, Any]) -> None:
    from moodfuse.workflows.prediction import Answers, details_path, predict_source

    output = answers.path
    how = Answers(answers.to, answers.short, answers.force, sys.stdout.buffer, answers.safe)
    with Bar(quiet=answers.quiet) as bar:
        reading = replace(reading, notify=bar.line)
        summary = predict_source(predictor, source, output, reading, how, progress=bar, **options)
    sys.stdout.flush()
    if answers.as_json and output is not None:
        print(json.dumps(summary.as_json()))
    _tell(bar, summary, predictor.manifest.review_threshold)
    if output is not None:
        beside = details_path(output)
        bar.line(f"written to {output}{f' and {beside}' if beside.exists() else ''}")


def _on_ray(
    bundle: Path | None, source: Path, reading: Reading, answers: _Answers, job: dict[str, Any], pool: dict[str, Any]
) -> None:
    from moodfuse.runtime.bundle import read_bundle
    from moodfuse.runtime.hub import find_bundle
    from moodfuse.workflows.extras import require_ray

    require_ray()
    if answers.path is None:
        raise ConfigError("--engine ray writes a folder of Parquet files: name it with --output")
    from moodfuse.scale.job import plan_job
    from moodfuse.scale.ray_predict import Workers, ray_predict

    found = read_bundle(find_bundle(bundle))
    with Bar(quiet=answers.quiet) as bar:
        planned = plan_job(found, source, answers.path, reading, **job)
        outcome = ray_predict(planned, Workers(**pool), progress=bar)
    if answers.as_json:
        print(json.dumps(outcome.summary.as_json() | {"blocks": outcome.blocks, "blocks_done_now": outcome.done}))
    _tell(bar, outcome.summary, found.manifest.review_threshold)
    if pool["device"] != "cpu":
        ran = ", ".join(f"{rows} on {name}" for name, rows in outcome.devices.most_common())
        bar.line(f"device {pool['device']}: {ran or 'nothing was left to do'}")
    bar.line(f"{outcome.blocks} blocks, {outcome.done} of them done now; written to {answers.path}")


def _tell(bar: Bar, summary: Summary, threshold: float) -> None:
    total = summary.labels.total()
    labels = ", ".join(f"{n} {label} ({n / total:.0%})" for label, n in summary.labels.most_common())
    bar.line(f"{summary.posts} {'post' if summary.posts == 1 else 'posts'}: {labels}")
    bar.line(f"status: {', '.join(f'{n} {status}' for status, n in summary.status.most_common())}")
    bar.line(f"{summary.needs_review} to check by hand (confidence below {threshold:.2f}, or unread)")
