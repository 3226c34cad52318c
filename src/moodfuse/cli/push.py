"""moodfuse push"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def push(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle or run folder.")],
    repo: Annotated[str, typer.Argument(metavar="USER/NAME", help="Where it goes on the Hugging Face Hub.")],
    licence: Annotated[str, typer.Option("--license", help="Its licence, as the Hub has it: mit, cc-by-nc-4.0 ...")],
    dataset: Annotated[
        list[str] | None, typer.Option(help="A data set of the Hub that it was trained on. Repeatable.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new model that you alone can see.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was published as JSON.")] = False,
) -> None:
    """Publish a bundle on the Hugging Face Hub, with a model card. HF_TOKEN, or hf auth login, says who you are."""
    from moodfuse.workflows.publishing import push_bundle

    done = push_bundle(bundle, repo, licence=licence, datasets=dataset or (), private=private)
    if as_json:
        print(json.dumps({"bundle": str(done.address), "url": done.url, "files": done.files, "bytes": done.bytes}))
        return
    print(f"{done.files} files, {done.bytes / 1e6:,.1f} MB: {done.url}")
    print(f"moodfuse predict --bundle {done.address} SOURCE")
