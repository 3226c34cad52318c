"""moodfuse explain"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moodfuse.cli.device import Device, open_predictor
from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import say
from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.runtime.explain import Explanation


def explain(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BUNDLE]",
            help="A bundle, a run folder or hf://USER/NAME@REVISION; by default the packaged bundle.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The post's text.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="The post's image; again for each of several.")] = None,
    grid: Annotated[int, typer.Option(min=2, max=14, help="Rows and columns that the image is divided into.")] = 5,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default all cores.")] = None,
    device: Device = "cpu",
    offline: Offline = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain the answer for a post: by text and image, by words, and by parts of the image."""
    from moodfuse.runtime.answers import explanation_object
    from moodfuse.runtime.explain import explain as run_explain
    from moodfuse.runtime.inputs import single_post

    if text is None and not image:
        raise ConfigError("expected a post to explain, found none; give --text, --image, or both")
    keep_offline(offline)
    found = run_explain(open_predictor(bundle, threads, device), single_post(text, image), grid=grid)
    if as_json:
        print(json.dumps(explanation_object(found), ensure_ascii=False, indent=1))
    else:
        _print(found)


def _print(found: Explanation) -> None:
    answer = found.prediction
    review = "  (check by hand)" if answer.needs_review else ""
    say(f"{answer.label}  {answer.confidence:.3f}{review}   status: {', '.join(answer.status)}")
    names = list(found.prior)
    width = max(map(len, names)) + 2
    say(f"\n{'':<18}" + "".join(f"{name:>{width}}" for name in names))
    _line("nothing to read", found.prior, width)
    for modality, values in found.alone.items():
        _line(f"{modality} alone", values, width)
    for modality, values in found.shares.items():
        _line(f"{modality} moved it", values, width, sign="+")
    _line("the answer", answer.probabilities, width)
    if found.words:
        say(f"\nwords, by how far {answer.label} falls without them")
        for word in sorted(found.words, key=lambda word: -abs(word.weight))[:12]:
            say(f"  {word.weight:+.3f}  {word.text}")
        if found.words_left_out:
            say(f"  the last {found.words_left_out} words were not weighed")
    if found.regions:
        say(f"\nimage, by how far {answer.label} falls where a part is greyed out")
        for row in found.regions.weights:
            say("  " + "  ".join(f"{weight:+.3f}" for weight in row))


def _line(name: str, values: dict[str, float], width: int, sign: str = "") -> None:
    say(f"{name:<18}" + "".join(f"{value:{sign}{width}.3f}" for value in values.values()))
