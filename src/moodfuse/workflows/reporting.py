"""Reports from files: of a run, two runs, a comparison or a search; nothing is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from moodfuse import files
from moodfuse.data.duplicates import group_duplicates
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import ConfigError, DataError, MoodfuseError
from moodfuse.labels import Labels
from moodfuse.progress import Notify, mute
from moodfuse.records.comparison import Comparison, ComparisonFolder, is_comparison, read_comparison
from moodfuse.records.run import Run, is_run, read_run
from moodfuse.records.search import is_search, read_search
from moodfuse.report.canvas import svg_file
from moodfuse.report.comparison import comparison_document
from moodfuse.report.document import Card, Document, Figure, Figures, Picture
from moodfuse.report.gallery import mistake_cards, same_posts
from moodfuse.report.markdown import csv_rows, markdown
from moodfuse.report.page import document_page
from moodfuse.report.pair import compare_pair, pair_document, why_not_paired
from moodfuse.report.picture import model_picture
from moodfuse.report.run import Extra, run_document
from moodfuse.report.search import search_document
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.comparison.results import build_results
from moodfuse.workflows.destination import check_report

Format = Literal["html", "md", "csv"]
FORMATS: dict[str, Callable[[Document], str]] = {"html": document_page, "md": markdown, "csv": csv_rows}


def write_report(
    path: Path,
    *,
    output: Path | None = None,
    format: str | None = None,
    data: Path | None = None,
    other: Path | None = None,
    figures: Path | None = None,
    force: bool = False,
) -> Path:
    """Write the report of the run, comparison or search in `path`, and return the report's path.

    `output` is by default `PATH/report.html`, with `other` `PATH/report-vs-OTHER.html`. Each figure goes to the folder
    `figures` as an SVG file too. `format` is html, md or csv, by default from the suffix of `output`.
    `data` is the path of the run's posts, by default their path when it was trained. `other` is a run to compare
    with. `force` writes over a file at `output` that is none of those reported on. Raises `DataError` if there is
    nothing to report on in `path`, `ConfigError` for an unknown format, `OutputError` for `output`.
    """
    kind = format or (output.suffix.lower().removeprefix(".") if output and output.suffix else "html")
    kind = {"htm": "html", "markdown": "md"}.get(kind, kind)
    if kind not in FORMATS:
        raise ConfigError(f"--format: expected html, md or csv, found {kind!r}; name one of them")
    name = "report" if other is None else f"report-vs-{other.resolve().name}"
    target = output or path / f"{name}.{kind}"
    if output is not None:
        check_report(output, [one for one in (path, other, data) if one is not None], force=force)
    document = report_document(path, data=data, other=other)
    files.write_bytes(target, FORMATS[kind](document).encode("utf-8", "replace"))
    if figures:
        write_figures(figures, document)
    return target


def write_last_report(path: Path, notify: Notify = mute) -> Path | None:
    """Write `report.html` as the last step of finished work; if that fails, notify why: the work is whole without."""
    try:
        return write_report(path)
    except Exception as error:  # a failed report must not fail a finished training
        notify(f"no report ({error}); to write it later: moodfuse report {path}")
        return None


def write_figures(folder: Path, document: Document) -> list[Path]:
    """Write each figure of a report to an SVG file, named after its section: `training-1.svg` ..."""
    files.make_folder(folder)
    written = []
    for section in document.sections:
        groups = [block.figures if isinstance(block, Figures) else [block] for block in section.blocks]
        drawn = [figure for group in groups for figure in group if isinstance(figure, Figure | Picture)]
        for number, figure in enumerate(drawn, start=1):
            written.append(folder / f"{section.id}-{number}.svg")
            files.write_text(written[-1], figure.svg if isinstance(figure, Picture) else svg_file(figure.svg))
    return written


def report_document(path: Path, *, data: Path | None = None, other: Path | None = None) -> Document:
    """Return the report on `path` before it is formatted. Raises the errors of `write_report`."""
    for folder in [path] if other is None else [path, other]:
        if not folder.is_dir():
            raise DataError(_nothing(folder))
    if other is not None:
        for folder in (path, other):
            if not is_run(folder):
                raise DataError(f"{folder}: expected the folder of a run, found none; --compare needs two runs")
        return _two_runs(read_run(path), read_run(other), data)
    if is_comparison(path):
        return comparison_document(_comparison(path))
    if is_search(path):
        return search_document(read_search(path))
    if is_run(path):
        run = read_run(path)
        return run_document(run, run_extra(run, data))
    raise DataError(_nothing(path))


def run_extra(run: Run, data: Path | None) -> Extra:
    """Return the content that is not in a run's folder: its most confident mistakes as cards, and its picture."""
    cards, note = [], ""
    try:
        cards = _cards(run, data) if run.wrong else []
    except (MoodfuseError, OSError) as error:
        note = f"The posts cannot be shown: {error}."
    try:
        return Extra(cards, note, model_picture(run), "")
    except ImportError:
        return Extra(cards, note, None, "The picture of the model needs PyTorch: pip install 'moodfuse[train]'.")
    except MoodfuseError as error:
        return Extra(cards, note, None, f"The model cannot be drawn: {error}.")


def _comparison(path: Path) -> Comparison:
    """Read a comparison; if cells have ended since its results were built, build the results again first."""
    found = read_comparison(path)
    if found.plan is None:
        return found
    folder = ComparisonFolder(path, found.plan)
    done = len(folder.cells()) - len(folder.todo())
    if found.results and found.results.cells.done == done:
        return found
    # The page says what cannot be built: no complete seed yet, or cells that another version wrote.
    with contextlib.suppress(MoodfuseError, OSError, KeyError, ValueError):
        build_results(folder)
        found = read_comparison(path)
    return found


def _two_runs(a: Run, b: Run, data: Path | None) -> Document:
    refusal = why_not_paired(a, b)
    if refusal:
        return pair_document(a, b, None, refusal)
    try:
        tested = _posts(a, data).subset([post.id for post in a.predictions])
        groups = group_duplicates(tested).group_of
    except (MoodfuseError, OSError):  # the page says so
        groups = None
    return pair_document(a, b, compare_pair(a, b, groups), "")


def _cards(run: Run, data: Path | None) -> list[Card]:
    posts = _posts(run, data)
    # A bundle trained on every post has seen these posts: its answers would not be those of the cross-validation.
    predictor = Predictor.load(run.path) if run.folder.bundle.is_dir() and not run.on_all else None
    return mistake_cards(run, posts, predictor)


def _posts(run: Run, data: Path | None) -> Posts:
    """Return the posts that the run was trained and tested on. Raises `DataError` if they are not found."""
    known = run.environment.data if run.environment else None
    folder = data or (Path(known) if known else None)
    if folder is None or not folder.exists():
        where = f"{folder} does not exist" if folder else "the path of the run's posts was not recorded"
        raise DataError(f"{where}; give the path of the posts with --data")
    posts = read_posts(folder, labels=Labels(tuple(run.labels)))
    if not same_posts(run, posts):
        raise DataError(f"{folder}: expected the posts of the run, found others; give their path with --data")
    return posts


def _nothing(path: Path) -> str:
    expected = (
        "expected the folder of a run (config.yaml, environment.json), of a comparison (comparison.json) or of a "
        "search (search.json)"
    )
    found = "nothing there" if not path.exists() else "a file" if path.is_file() else "a folder without any of these"
    return f"{path}: {expected}, found {found}; name what `moodfuse train`, `compare` or `search` wrote"
