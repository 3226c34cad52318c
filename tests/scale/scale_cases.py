"""A source of posts in Parquet, and how answers are compared."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

WORDS = ["good", "bad", "day", "sun", "rain", "love", "hate", "fine", "awful", "great"]


def write_posts(path: Path, count: int, *, seed: int = 0) -> Path:
    """Posts of one to nine words; every hundredth has an image that is none, every fiftieth no text."""
    draw = random.Random(seed)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    texts = [None if i % 50 == 49 else " ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for i in range(count)]
    images = [b"no image" if i % 100 == 0 else picture.getvalue() if i % 7 == 0 else None for i in range(count)]
    table = pa.table({"id": [f"p{i}" for i in range(count)], "text": texts, "image": pa.array(images, pa.binary())})
    pq.write_table(table, path, row_group_size=70)
    return path


def answers(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, or of a folder of them."""
    return list(pq.read_table(path).to_pylist())


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Say whether all is equal, numbers but for noise: other posts stood in the batch."""
    assert len(found) == len(expected)
    return all(
        one
        == {
            name: pytest.approx(value, abs=2e-5) if isinstance(value, float) else value for name, value in other.items()
        }
        for one, other in zip(found, expected, strict=True)
    )
