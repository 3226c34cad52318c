"""moodfuse fusions"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from moodfuse.cli.progress import say


def fusions(
    name: Annotated[str | None, typer.Argument(help="Draw this fusion.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(help="Options of the fusion: width=256 ...")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the drawing to this SVG file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the fusions (family, what they read, weights, options, source), or draw the fusion named."""
    if name is not None:
        if svg is not None:
            from moodfuse.workflows.destination import check_new

            check_new(svg, force=force)
        _draw(name, overrides or [], svg, as_json)
        return
    rows = _rows()
    if as_json:
        print(json.dumps(rows, indent=1, default=str))  # an option of a plug-in may be anything
        return
    table = Table("name", "family", "reads", "learns combinations", "weights", "source", box=None, pad_edge=False)
    for row in rows:
        interacts = "yes" if row["interacts"] else "no"
        table.add_row(row["name"], row["family"], row["reads"], interacts, f"{row['weights']:,}", row["source"])
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    say("the options and the picture of a fusion: moodfuse fusions NAME [--svg FILE]")


def _rows() -> list[dict[str, Any]]:
    from moodfuse.learn.diagram import draw_fusions
    from moodfuse.learn.fusion import find_fusion, fusion_options

    return [
        {
            "name": name,
            "family": (cls := find_fusion(name)).family,
            "reads": f"{' + '.join(cls.modalities)} ({cls.consumes})",
            "interacts": cls.interacts,
            "weights": drawing.weights,  # over the packaged encoders
            "options": fusion_options(cls),
            "source": cls.source,
        }
        for name, drawing in draw_fusions().items()
    ]


def _draw(name: str, overrides: list[str], svg: Path | None, as_json: bool) -> None:
    from moodfuse import files
    from moodfuse.learn.diagram import draw_fusion
    from moodfuse.learn.fusion import find_fusion, fusion_options
    from moodfuse.settings import parse_overrides

    drawing = draw_fusion(name, parse_overrides(overrides))
    if svg is not None:
        files.write_text(svg, drawing.to_svg())
    if as_json:
        steps = [[step.name, step.kind, step.shape, step.weights] for step in drawing.steps]
        print(
            json.dumps({"fusion": name, "weights": drawing.weights, "reads": drawing.reads, "steps": steps}, indent=1)
        )
        return
    print(drawing.to_text())
    options = ", ".join(f"{key}={value}" for key, value in fusion_options(find_fusion(name)).items())
    say(f"\noptions: {options or 'none'}")
