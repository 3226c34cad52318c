"""moodfuse synthetic"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synthetic(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the posts.")],
    posts: Annotated[int, typer.Option(min=1, help="Labelled posts.")] = 600,
    unlabelled: Annotated[int, typer.Option(min=0, help="Posts without a label.")] = 60,
    text: Annotated[float, typer.Option(min=0, max=1, help="Strength of the signal in the text.")] = 0.6,
    image: Annotated[float, typer.Option(min=0, max=1, help="Strength of the signal in the image.")] = 0.6,
    joint: Annotated[float, typer.Option(min=0, max=1, help="Strength of the signal in the combination only.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the posts; another seed draws different posts.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Write synthetic posts with a planted signal, as a guid,tag folder, for experiments."""
    from moodfuse.data.synthetic import Signals, write_synthetic

    signals = Signals(text=text, image=image, joint=joint)
    write_synthetic(folder, posts=posts, unlabelled=unlabelled, signals=signals, seed=seed)
    if not quiet:
        print(folder)
