"""moodfuse encoders"""

from __future__ import annotations

import json
from typing import Annotated

import typer


def encoders(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the encoders that need no network."""
    from moodfuse.config import DataConfig
    from moodfuse.learn.encoders import ENCODERS

    rows = [
        {"name": name, "modality": modality, "summary": make(DataConfig()).summary}
        for name, (modality, make) in ENCODERS.items()
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['name']:<20} {row['modality']:<6} {row['summary']}")
    print("model.text also takes a folder with a Hugging Face text model (safetensors, tokenizer.json)")
