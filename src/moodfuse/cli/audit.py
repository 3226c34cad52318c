"""moodfuse audit"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moodfuse.cli.progress import Bar
from moodfuse.cli.reading import Columns, Quotes, Remote, Sheet, reading_of

if TYPE_CHECKING:
    from moodfuse.data.audit.audit import Audit
    from moodfuse.data.audit.findings import Finding

_SHOWN_IDS = 6
_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_BAR = 24  # width of the largest class's bar in characters


def audit(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Posts: a folder with train.txt, a CSV, TSV, JSONL or Parquet file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings as for train: labels=[...], model.text=..."),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Also look for likely label errors (needs the train extra).")
    ] = False,
    split: Annotated[Path | None, typer.Option(help="A split to check: CSV or JSON of id with split or fold.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with thumbnails to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists (never over DATA).")] = False,
    format: Annotated[str | None, typer.Option("--from", help="Format of DATA, if not plain.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if there is an error.")] = False,
    columns: Columns = None,
    sheet: Sheet = None,
    quotes: Quotes = "double",
    remote: Remote = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, with all ids.")] = False,
) -> None:
    """Find what is wrong with a data set, before training on it."""
    from moodfuse.data.formats.base import TRAINING
    from moodfuse.settings import build_config, parse_overrides
    from moodfuse.workflows.auditing import audit as run_audit
    from moodfuse.workflows.auditing import write_audit_page
    from moodfuse.workflows.destination import check_destinations

    if html is not None:
        import moodfuse.report.page  # noqa: F401  (a missing extra fails before the work)
    config = build_config([parse_overrides(overrides or [])])
    with Bar(quiet=quiet) as bar:
        reading = reading_of(TRAINING, columns, sheet, quotes, format=format, remote=remote, notify=bar.line)
        if html is not None:
            check_destinations([html], data, reading, force=force)
        result = run_audit(data, labels=labels, split_file=split, config=config, reading=reading, progress=bar)
        if html is not None:
            write_audit_page(result, html)
            bar.line(f"page written to {html}")
    if as_json:
        print(json.dumps(result.to_json(), indent=1))
    else:
        _show(result)
    if strict and result.worst == "error":
        raise typer.Exit(1)


def _show(result: Audit) -> None:
    from moodfuse.data.audit.findings import are

    console = Console(highlight=False, markup=False, soft_wrap=True)
    summary = result.to_json()
    console.print(
        f"{_plain(summary['source'], 200)}: {summary['posts']:,} {are(summary['posts'], 'post', 'posts')}, "
        f"{summary['labelled']:,} labelled"
    )
    if summary["labelled"]:
        console.print(_class_table(summary["classes"], "█" if console.encoding.startswith("utf") else "#"))
    console.print(f"texts   {_texts(summary['texts'])}")
    console.print(f"images  {_images(summary['images'])}\n")
    for finding in result.findings:
        _show_finding(console, finding)
    if result.label_errors and result.label_errors.issues:
        console.print("\nmost doubtful labels", style="bold")
        console.print(_issue_table(result))
    counts = {name: sum(finding.severity == name for finding in result.findings) for name in _STYLES}
    told = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n)
    console.print(f"\n{told}" if told else "nothing found: all is well", style="bold")


def _show_finding(console: Console, finding: Finding) -> None:
    line = Text(f"{finding.severity:<8}", style=_STYLES[finding.severity])
    console.print(line.append(finding.what, style="default"))
    console.print(f"        {finding.advice}", style="dim")
    if finding.groups:
        groups = [" = ".join(map(_plain, group[:_SHOWN_IDS])) for group in finding.groups[:3]]
        more = len(finding.groups) - len(groups)
        told = "; ".join(groups) + (f"; and {more:,} more groups" if more else "")
    else:
        shown = ", ".join(map(_plain, finding.ids[:_SHOWN_IDS]))
        more = len(finding.ids) - _SHOWN_IDS
        told = shown + (f" and {more:,} more" if more > 0 else "")
    if told:
        console.print(f"        {told}", style="dim")


def _class_table(classes: dict[str, int], mark: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("label")
    table.add_column("posts", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    total, largest = sum(classes.values()), max(classes.values())
    for name, count in classes.items():
        table.add_row(name, f"{count:,}", f"{100 * count / total:.1f} %", mark * round(_BAR * count / largest))
    return table


def _issue_table(result: Audit) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("post", "given", "suggested", "confidence"):
        table.add_column(column, justify="right" if column == "confidence" else "left")
    issues = result.label_errors.issues if result.label_errors else ()
    for issue in issues[:10]:
        table.add_row(_plain(issue.id), issue.given, issue.suggested, f"{issue.confidence:.2f}")
    return table


def _texts(facts: dict[str, Any]) -> str:
    if not facts["characters"]:
        return "none"
    parts = [
        f"{facts['posts'] - facts['missing'] - facts['empty']:,}",
        f"{facts['characters']['median']:,.0f} characters and {facts['words']['median']:,.0f} words (medians; longest "
        f"{facts['characters']['max']:,.0f})",
        _counts(facts["encodings"]),
        f"{_counts(facts['languages'])} (by {facts['languages_by']})",
    ]
    return "; ".join(parts)


def _images(facts: dict[str, Any]) -> str:
    if not facts["width"]:
        return "none"
    width, height = facts["width"], facts["height"]
    parts = [
        f"{facts['posts'] - facts['missing']:,}",
        f"{width['median']:,.0f} x {height['median']:,.0f} pixels (medians; "
        f"{width['min']:,.0f} to {width['max']:,.0f} wide)",
        _counts(facts["formats"]),
        _counts(facts["modes"]),
    ]
    return "; ".join(parts)


def _counts(counts: dict[str, int], most: int = 4) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:most])
    rest = sum(list(counts.values())[most:])
    return shown + (f", others {rest:,}" if rest else "")


def _plain(text: str, most: int = 40) -> str:
    """Return an id or a path in a form that is safe for a terminal."""
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
