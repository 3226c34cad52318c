"""moodfuse predict"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moodfuse.cli.progress import Bar
from moodfuse.errors import ConfigError, suggest

if TYPE_CHECKING:
    from moodfuse.config import Modality
    from moodfuse.runtime.predictor import Predictor


def predict(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUNDLE] [SOURCE]", help="A bundle or run folder (moodfuse brings one); posts to label."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where answers go; by default stdout.")] = None,
    style: Annotated[
        str | None, typer.Option("--format", help="report (guid,tag), csv or jsonl; by default what came in.")
    ] = None,
    input_format: Annotated[str | None, typer.Option(help="Format of SOURCE, where its name does not tell.")] = None,
    text: Annotated[str | None, typer.Option(help="Label one post: its text.")] = None,
    image: Annotated[Path | None, typer.Option(help="Label one post: its image.")] = None,
    only: Annotated[
        Literal["text", "image"] | None, typer.Option(help="Give the model this alone of every post.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print counts (or the one answer) as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Label posts: every row of SOURCE gets an answer, in order. Without BUNDLE by the model that moodfuse brings."""
    from moodfuse.runtime.predictor import Predictor
    from moodfuse.runtime.writers import FORMATS

    if style is not None and style not in FORMATS:
        raise ConfigError(suggest(style, FORMATS, what="--format"))
    single = text is not None or image is not None
    bundle, source = _what(paths or [], single)
    predictor = Predictor.load(bundle, threads=threads)
    if single:
        _one(predictor, text, image, as_json)
    elif source is not None:
        _many(predictor, source, output, style, input_format, only, as_json, quiet)


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
    as_json: bool,
    quiet: bool,
) -> None:
    from moodfuse.workflows.prediction import details_path, predict_source

    with Bar(quiet=quiet) as bar:
        summary = predict_source(
            predictor,
            source,
            output,
            stdout=sys.stdout.buffer,
            source_style=input_format,
            only=only,
            style=style,  # type: ignore[arg-type]  # checked against FORMATS above
            progress=bar,
        )
    sys.stdout.flush()
    if as_json and output is not None:
        counts = {"posts": summary.posts, "labels": summary.labels, "status": summary.status}
        print(json.dumps(counts | {"needs_review": summary.needs_review}))
    bar.line(f"{summary.posts} posts: " + ", ".join(f"{n} {label}" for label, n in summary.labels.most_common()))
    bar.line("status: " + ", ".join(f"{n} {status}" for status, n in summary.status.most_common()))
    bar.line(f"{summary.needs_review} to check by hand (confidence below {predictor.manifest.review_threshold:.2f})")
    if output is not None:
        bar.line(f"written to {output}" + (f" and {details_path(output)}" if details_path(output).exists() else ""))
