"""The option --offline: the same for every verb that could ask a model hub."""

from __future__ import annotations

import os
from typing import Annotated

import typer

Offline = Annotated[bool, typer.Option("--offline", help="Never ask a model hub.")]


def keep_offline(offline: bool) -> None:
    """Turn downloads off for this process and those that it starts; before `huggingface_hub` is imported."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
