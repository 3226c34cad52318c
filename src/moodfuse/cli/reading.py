"""The options that say how posts are read: the same for every verb that reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from moodfuse.errors import ConfigError

if TYPE_CHECKING:
    from moodfuse.data.formats.base import Reading

Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="ROLE=NAME,...", help="Columns of id, text, image, label: text=tweet,image=photo ..."
    ),
]
Sheet = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook; by default the first that is filled.")]
Quotes = Annotated[
    Literal["double", "none"],
    typer.Option("--quotes", help='What " is in a table: around values (double), or a character as any other (none).'),
]

Remote = Annotated[
    bool, typer.Option("--remote-images", help="Fetch images that are named by an address (https:// s3:// ...).")
]

AlsoTrain = Annotated[
    list[str] | None,
    typer.Option(
        "--also-train",
        metavar="FILE[=SHARE]",
        help="Labelled posts that only train; SHARE: how much an epoch draws. Repeatable.",
    ),
]


Validation = Annotated[
    float | None,
    typer.Option(
        "--validation",
        metavar="SHARE|NUMBER",
        help="Posts that validate (0.2 or 500), and none that test: the scores are then of the posts that chose.",
    ),
]


def validation_layer(size: float | None) -> list[dict[str, Any]]:
    """Return `--validation` as settings."""
    return [] if size is None else [{"split": {"validation": size}}]


def also_layer(given: list[str] | None) -> list[dict[str, Any]]:
    """Return `--also-train` as settings: `texts.csv` draws every post of a file in each epoch, `texts.csv=0.1` a tenth.

    A file whose own name ends so is taken as it is.
    """
    corpora: list[str | dict[str, Any]] = []
    for value in given or ():
        path, _, share = value.rpartition("=")
        if not path or Path(value).exists():
            corpora.append(value)
            continue
        try:
            corpora.append({"path": path, "share": float(share)})
        except ValueError:
            raise ConfigError(f"--also-train: expected FILE or FILE=SHARE (texts.csv=0.1), found {value!r}") from None
    return [{"data": {"also_train": corpora}}] if corpora else []


def reading_of(
    base: Reading, columns: str | None, sheet: str | None, quotes: Literal["double", "none"], **how: Any
) -> Reading:
    """Return how posts are read, from the options of a command; `how` holds further fields of `Reading`."""
    from moodfuse.data.formats.columns import parse_columns

    return replace(base, columns=parse_columns(columns), sheet=sheet, quotes=quotes, **how)
