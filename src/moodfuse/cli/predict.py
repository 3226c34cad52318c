"""moodfuse predict"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from moodfuse.cli.progress import Bar
from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.config import Modality
    from moodfuse.runtime.predictor import Predictor
    from moodfuse.runtime.summary import Summary


_STYLES = "guid_tag, csv, jsonl, parquet"
_NOT_WITH = {"plain": ("--address", "--workers"), "ray": ("--shard", "--format", "--text or --image")}


def predict(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUNDLE] [SOURCE]", help="A bundle or run folder (moodfuse brings one); posts to label."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where answers go; by default stdout.")] = None,
    style: Annotated[str | None, typer.Option("--format", help=f"One of {_STYLES}; by default what came in.")] = None,
    input_format: Annotated[str | None, typer.Option(help="Format of SOURCE, where its name does not tell.")] = None,
    text: Annotated[str | None, typer.Option(help="Label one post: its text.")] = None,
    image: Annotated[Path | None, typer.Option(help="Label one post: its image.")] = None,
    only: Annotated[
        Literal["text", "image"] | None, typer.Option(help="Give the model this alone of every post.")
    ] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: label part i of n (from 1) alone; others do theirs.")] = None,
    remote: Annotated[bool, typer.Option("--remote-images", help="Follow images named by a URI (s3:// ...).")] = False,
    engine: Annotated[Literal["plain", "ray"], typer.Option(help="One process, or Ray (moodfuse[ray]).")] = "plain",
    address: Annotated[str | None, typer.Option(help="Ray: host:port of a cluster; by default this machine.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Ray: workers; by default as many as fit.")] = None,
    block: Annotated[int, typer.Option(min=1, help="Ray: rows of a block, each a file of its own.")] = 1000,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [all cores]; Ray: of a worker [1].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print counts (or the one answer) as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Label posts: every row of SOURCE gets an answer, in order. Without BUNDLE by the model that moodfuse brings."""
    single = text is not None or image is not None
    given = {"--shard": shard, "--format": style, "--text or --image": single}
    _check(engine, given | {"--address": address, "--workers": workers})
    bundle, source = _what(paths or [], single)
    if engine == "ray":
        job = {"rows_a_block": block, "format": input_format, "only": only, "remote": remote}
        return _on_ray(bundle, source, output, job, workers, threads, address, as_json, quiet)
    from moodfuse.runtime.predictor import Predictor

    predictor = Predictor.load(bundle, threads=threads)
    if single:
        return _one(predictor, text, image, as_json)
    if source is not None:
        part = {"shard": shard, "remote": remote}
        _many(predictor, source, output, style, input_format, only, part, as_json, quiet)
    return None


def _check(engine: str, given: dict[str, Any]) -> None:
    """Raise `ConfigError` for options that do not go together, and for a format that is none."""
    from moodfuse.runtime.writers import answer_format

    if given["--format"] is not None:
        answer_format(given["--format"])
    for name in _NOT_WITH[engine]:
        if given[name]:
            raise ConfigError(f"{name} does not go with --engine {engine}; leave one of them out")


def _what(paths: list[Path], single: bool) -> tuple[Path | None, Path | None]:
    """Return the bundle (`None`: the one that comes with moodfuse) and the posts that the arguments name."""
    from moodfuse.runtime.bundle import is_bundle

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


def _one(predictor: Predictor, text: str | None, image: Path | None, as_json: bool) -> None:
    from moodfuse.runtime.writers import prediction_row

    row = prediction_row(predictor.predict(text=text, image=image))
    row.pop("id")
    if as_json:
        print(json.dumps(row))
        return
    for name, value in row.items():
        print(f"{name:<14} {value}")


def _many(
    predictor: Predictor,
    source: Path,
    output: Path | None,
    style: str | None,
    input_format: str | None,
    only: Modality | None,
    part: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    from moodfuse.data.formats.shards import Shard
    from moodfuse.workflows.prediction import details_path, predict_source

    part["shard"] = Shard.parse(part["shard"]) if part["shard"] else None
    with Bar(quiet=quiet) as bar:
        summary = predict_source(
            predictor,
            source,
            output,
            stdout=sys.stdout.buffer,
            source_style=input_format,
            only=only,
            style=style,
            progress=bar,
            **part,
        )
    sys.stdout.flush()
    if as_json and output is not None:
        print(json.dumps(summary.as_json()))
    _tell(bar, summary, predictor.manifest.review_threshold)
    if output is not None:
        bar.line(f"written to {output}" + (f" and {details_path(output)}" if details_path(output).exists() else ""))


def _on_ray(
    bundle: Path | None,
    source: Path | None,
    output: Path | None,
    job: dict[str, Any],
    workers: int | None,
    threads: int | None,
    address: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from moodfuse.runtime.bundle import default_bundle, read_bundle
    from moodfuse.workflows.extras import require_ray

    require_ray()
    if source is None or output is None:
        raise ConfigError("--engine ray writes a folder of Parquet files: name it with --output")
    from moodfuse.scale.blocks import plan_job
    from moodfuse.scale.ray_predict import Workers, ray_predict

    found = read_bundle(bundle or default_bundle())
    with Bar(quiet=quiet) as bar:
        planned = plan_job(found, source, output, **job)
        address = address or os.environ.get("RAY_ADDRESS")
        outcome = ray_predict(planned, Workers(workers, threads or 1, address), progress=bar)
    if as_json:
        print(json.dumps(outcome.summary.as_json() | {"blocks": outcome.blocks, "blocks_done_now": outcome.done}))
    _tell(bar, outcome.summary, found.manifest.review_threshold)
    bar.line(f"{outcome.blocks} blocks, {outcome.done} of them done now; written to {output}")


def _tell(bar: Bar, summary: Summary, threshold: float) -> None:
    bar.line(f"{summary.posts} posts: " + ", ".join(f"{n} {label}" for label, n in summary.labels.most_common()))
    bar.line("status: " + ", ".join(f"{n} {status}" for status, n in summary.status.most_common()))
    bar.line(f"{summary.needs_review} to check by hand (confidence below {threshold:.2f})")
