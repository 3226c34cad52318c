"""`import moodfuse.polars` gives every data frame of polars the namespace `df.moodfuse`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from moodfuse.workflows.frames import answer_columns


@pl.api.register_dataframe_namespace("moodfuse")
class MoodfuseNamespace:
    """What moodfuse does with the posts of a data frame: one a row, its columns known by their names."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def predict(self, bundle: str | Path | None = None, **how: Any) -> pl.DataFrame:
        """Return the answer to every row: `df.hstack(df.moodfuse.predict())`. It is that of `moodfuse.pandas`."""
        return pl.DataFrame(answer_columns(self._frame, bundle, how))
