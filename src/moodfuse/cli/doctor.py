"""moodfuse doctor"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from moodfuse.cli.progress import say


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what is installed and what works, and how to fix what does not."""
    from moodfuse.workflows.doctor import examine

    checks = examine()
    if as_json:
        print(json.dumps([check.__dict__ for check in checks], indent=1))
    else:
        for check in checks:
            mark = "ok  " if check.ok else "--  "
            say(f"{mark}{check.name:<22}{check.found}" + ("" if check.ok else f"\n      do: {check.remedy}"))
    if any(check.required and not check.ok for check in checks):
        raise typer.Exit(1)
