"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def posts_folder() -> Path:
    """The real posts: `$MOODFUSE_DATA`, else ../shared/data/posts beside the repository, else the test is skipped."""
    named = os.environ.get("MOODFUSE_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "posts"
    if not (folder / "train.txt").is_file():
        pytest.skip(f"no real posts in {folder}; set MOODFUSE_DATA to a folder that holds train.txt")
    return folder
