"""The option --device: the same for every verb that answers with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moodfuse.cli.progress import console

if TYPE_CHECKING:
    from moodfuse.runtime.predictor import Predictor

#: What `runtime.devices.PROVIDERS` holds, and auto; a test compares them.
DeviceName = Literal["cpu", "cuda", "directml", "coreml", "openvino", "auto"]
Device = Annotated[DeviceName, typer.Option(help="Where the encoders run; auto: a GPU if one is there, else the CPU.")]


def open_predictor(bundle: str | Path | None, threads: int | None, device: str, *, quiet: bool = False) -> Predictor:
    """Open a bundle on a device, and say which one `auto` is."""
    from moodfuse.runtime.predictor import Predictor

    predictor = Predictor.load(bundle, threads=threads, device=device)
    if device == "auto" and not quiet:
        console.print(f"device auto: {predictor.device}", markup=False)
    return predictor
