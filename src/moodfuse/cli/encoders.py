"""moodfuse encoders"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from moodfuse.cli.progress import say


def encoders(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the named encoders, and what each needs."""
    from moodfuse.learn.encoders import list_encoders

    rows = list_encoders()
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return
    for row in rows:
        say(f"{row.name:<40} {' + '.join(row.modalities):<12} {row.summary} [needs {row.needs}]")
    say("model.text and model.image also take any other id of the Hub, and a folder with a Hugging Face model:")
    say("config.json, *.safetensors, and tokenizer.json (text) or preprocessor_config.json (image)")
    say("several encoders of a modality, whose vectors are joined: model.text=[minilm,vader]")
