"""A few bytes of a Parquet file may stand for gigabytes: memory holds a few megabytes of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

LONG = 2_000_000


def repeated(value: Any, kind: Any = None, rows: int = 150) -> Any:
    return pa.array([value] * rows, kind)


def column(name: str) -> Any:
    if name == "text":
        return repeated("x" * LONG)
    if name == "dictionary":
        return pa.DictionaryArray.from_arrays(pa.array([0] * 150, pa.int32()), pa.array(["x" * LONG]))
    picture = b"\xff\xd8\xff" + bytes(LONG)
    if name == "image":
        return repeated({"bytes": picture, "path": None}, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    return repeated([picture, b"2"], pa.list_(pa.binary()))


_READ = """
import sys
from pathlib import Path
import pyarrow.parquet
from dataclasses import replace
from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.readers import stream_posts
def most():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1000
before = most()
held = list(stream_posts(Path(sys.argv[1]), replace(PREDICTING, fields=True)))
print(len(held), most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", ["text", "dictionary", "image", "images"])
def test_a_value_that_many_rows_have_stands_in_memory_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    named = {"text": repeated("fine"), ("text" if name == "dictionary" else name): column(name)}
    pq.write_table(pa.table(named), path, compression="zstd", row_group_size=100)
    assert path.stat().st_size < 10_000
    done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    rows, most = map(int, done.stdout.split())
    assert rows == 150
    assert most < 200  # MB; it was over 600


def test_long_values_in_dictionaries_are_read_as_they_are(tmp_path: Path) -> None:
    texts = [f"{place} " * 60_000 if place % 3 else None for place in range(30)] * 8
    image = {"bytes": b"\xff\xd8\xff" + bytes(200_000), "path": None}
    images = [[image["bytes"]] * (place % 4) if place % 5 else None for place in range(240)]
    table = pa.table({"text": texts, "image": [image, None] * 120, "pictures": pa.array(images, pa.list_(pa.binary()))})
    path = tmp_path / "posts.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=100)
    found = list(stream_posts(path, PREDICTING, fields=True))
    assert [post.text for post in found] == texts
    assert [post.fields["image"] for post in found if post.fields] == [image, None] * 120
    assert [post.fields["pictures"] for post in found if post.fields] == images


def test_a_row_group_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    table = pa.table({"text": repeated("x" * LONG, rows=150)})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match=r"posts\.parquet row group 1: its column 'text' unpacks from .* to 300,"):
        read_posts(path, PREDICTING)
