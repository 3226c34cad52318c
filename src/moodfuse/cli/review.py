"""moodfuse review"""

from __future__ import annotations

import json
import secrets
import shlex
import threading
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moodfuse.cli.progress import Bar, console
from moodfuse.cli.reading import Columns, Quotes, Remote, Sheet, reading_of
from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.workflows.reviewing import OpenReview


def review(
    answers: Annotated[Path, typer.Argument(metavar="ANSWERS", help="What moodfuse predict wrote.")],
    budget: Annotated[int | None, typer.Option(min=1, help="Posts to label; more than before adds some. [200]")] = None,
    random_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of them drawn at random, to test on. [0.1]")
    ] = None,
    name: Annotated[str | None, typer.Option("--as", help="Who labels; by default your name here.")] = None,
    disagreements: Annotated[
        bool, typer.Option("--disagreements", help="Settle the posts on which people differ.")
    ] = False,
    export: Annotated[Path | None, typer.Option(help="Write all labels to this .csv file; no page.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle or run that gave the answers; by default moodfuse's own.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that paths of images start from, if not that of ANSWERS.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws other posts, in a new review.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes any.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether the page is opened.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists (never over ANSWERS).")] = False,
    format: Annotated[str | None, typer.Option("--from", help="Format of ANSWERS, if not plain.")] = None,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote_images: Remote = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print how far it is, as JSON; no page.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Label posts that stand for many others, and a random part that tests the model, on a page of this machine."""
    from moodfuse.data.formats.base import PREDICTING
    from moodfuse.decide.review_words import as_json as review_json
    from moodfuse.decide.review_words import lines
    from moodfuse.workflows.extras import require_review

    require_review()
    from moodfuse.workflows.destination import check_destinations
    from moodfuse.workflows.reviewing import ReviewOptions, open_review, user_name

    reading = reading_of(PREDICTING, columns, sheet, quotes, format=format, remote=remote_images)
    asked = ReviewOptions(name or user_name(), budget, random_share, seed, disagreements, images, bundle)
    if export is not None and as_json:
        raise ConfigError("--json does not go with --export; leave one of them out")
    if export is not None:
        check_destinations([export], answers, reading, force=force)
    begin = not (disagreements or as_json or export is not None)
    with ExitStack() as stack:
        with Bar(quiet=quiet) as bar:  # gone before the page is served
            opened = stack.enter_context(open_review(answers, asked, begin=begin, reading=reading, progress=bar))
        if as_json:
            print(json.dumps(review_json(opened.review.standing())))
        elif export is None and (opened.review.posts or not disagreements):
            _label(opened, port, browser=browser, quiet=quiet)
        if export is not None:
            _export(opened, export, force=force)
        elif not as_json:
            print("\n".join(lines(opened.review, shlex.quote(str(answers)), opened.set_aside)))


def _label(opened: OpenReview, port: int, *, browser: bool, quiet: bool) -> None:
    """Serve the page until Ctrl-C."""
    from moodfuse.runtime.predictor import Predictor
    from moodfuse.serve.review import create_review_app
    from moodfuse.serve.server import listen, serve_here

    with listen(port) as listening:
        key = secrets.token_urlsafe(24)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/#key={key}"
        app = create_review_app(opened.review, Predictor(opened.bundle) if opened.bundle else None, key)
        console.print(f"label here: {address}", markup=False)
        if not quiet:
            if opened.bundle is None:
                console.print(
                    "the page does not say why: --bundle names the model that gave these answers", markup=False
                )
            console.print(f"every key is kept in {opened.review.store.path}; Ctrl-C ends", markup=False)
        if browser:  # a browser of the terminal would hold us
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        serve_here(app, listening)


def _export(opened: OpenReview, output: Path, *, force: bool) -> None:
    from moodfuse.workflows.reviewing import export_labels

    rows, differing = export_labels(opened, output, force=force)
    left = f"; {differing} on which people differ are left out: --disagreements settles them" if differing else ""
    print(f"{output}: {rows:,} labelled posts{left}")
