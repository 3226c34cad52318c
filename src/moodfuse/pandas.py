"""`import moodfuse.pandas` gives every data frame of pandas the accessor `df.moodfuse`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from moodfuse.workflows.frames import answer_columns


@pd.api.extensions.register_dataframe_accessor("moodfuse")
class MoodfuseAccessor:
    """What moodfuse does with the posts of a data frame: one a row, its columns known by their names."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def predict(self, bundle: str | Path | None = None, **how: Any) -> pd.DataFrame:
        """Return the answer to every row, under the frame's index: `df.join(df.moodfuse.predict())`.

        `bundle` is the folder of a bundle or a run; `None` is the model that moodfuse brings. `how` says which column
        is for what (`columns={"text": "tweet"}`), and to fetch images by address (`remote=True`). A column of an
        answer whose name the frame has already is called `moodfuse_...`. Image paths are relative to the working
        folder. Raises `DataError` for a frame with neither text nor image.
        """
        return pd.DataFrame(answer_columns(self._frame, bundle, how), index=self._frame.index)
