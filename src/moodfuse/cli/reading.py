"""The options that say how posts are read: the same for every verb that reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

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


def reading_of(
    base: Reading, columns: str | None, sheet: str | None, quotes: Literal["double", "none"], **how: Any
) -> Reading:
    """Return how posts are read, from the options of a command; `how` holds further fields of `Reading`."""
    from moodfuse.data.formats.columns import parse_columns

    return replace(base, columns=parse_columns(columns), sheet=sheet, quotes=quotes, **how)
