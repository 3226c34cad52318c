"""Small files of posts, and the one line that a wrong one is told in."""

from __future__ import annotations

from pathlib import Path

import pytest

from moodfuse.data.formats.readers import stream_posts
from moodfuse.errors import DataError


def guid_tag_folder(
    folder: Path, listing: str, files: dict[str, bytes], name: str = "train.txt", data: str = "data"
) -> Path:
    (folder / data).mkdir(exist_ok=True)
    (folder / name).write_text(listing)
    for file, content in files.items():
        (folder / data / file).write_bytes(content)
    return folder


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def error_of(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        list(stream_posts(path, **options))  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message
