"""moodfuse config show"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look at settings.", no_args_is_help=True)


@app.callback()
def _config() -> None:
    """Look at settings."""


@app.command("show")
def show(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings: optim.lr=3e-4 ...")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe that overrides the defaults.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file that overrides the recipe.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every setting, its value and its meaning, as YAML for `--config`."""
    from moodfuse.learn.recipes import resolve_config
    from moodfuse.settings import describe_fields, parse_overrides

    resolved = resolve_config(recipe, file=config, overrides=[parse_overrides(overrides or [])])
    if as_json:
        print(json.dumps(resolved.model_dump(mode="json"), indent=1))
        return
    helps = {key: text for key, _, text in describe_fields()}
    path: list[str] = []
    for line in resolved.to_yaml().splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        path = [*path[:indent], line.strip().split(":")[0]]
        note = helps.get(".".join(path), "")
        print(f"{line:<32}  # {note}" if note else line)
