"""moodfuse fusions"""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def fusions(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the fusions: family, what they read, options, source."""
    from moodfuse.learn.fusion import FUSIONS, fusion_options

    rows = [
        {
            "name": name,
            "family": cls.family,
            "reads": f"{' + '.join(cls.modalities)} ({cls.consumes})",
            "interacts": cls.interacts,
            "options": fusion_options(cls),
            "source": cls.source,
        }
        for name, cls in FUSIONS.items()
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("name", "family", "reads", "learns combinations", "options", "source", box=None, pad_edge=False)
    for row in rows:
        options = ", ".join(f"{key}={value}" for key, value in row["options"].items())  # type: ignore[attr-defined]
        table.add_row(
            str(row["name"]),
            str(row["family"]),
            str(row["reads"]),
            "yes" if row["interacts"] else "no",
            options,
            str(row["source"]),
        )
    Console().print(table)
