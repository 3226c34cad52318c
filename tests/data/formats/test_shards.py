"""Sources in runs and shards: read one without another, they give what the whole gives."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from moodfuse.data.formats.readers import run_posts, source_format, source_runs, stream_posts
from moodfuse.data.formats.shards import Shard, shard_posts
from moodfuse.data.images import look
from moodfuse.data.posts import ImageUri, Status
from moodfuse.data.synthetic import write_synthetic
from moodfuse.errors import ConfigError, DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS = ["plain", 'two\nlines "quoted", and a comma', "", "好的 🙂", "naïve\r\nand\ralone", "x" * 5000, "last"] * 3


def csv_bytes(encoding: str, *, ids: bool = True) -> bytes:
    quoted = ['"' + text.replace('"', '""') + '"' for text in TEXTS]
    rows = [f"i{i},{text}" if ids else text for i, text in enumerate(quoted)]
    return (("id,text" if ids else "text") + "\n" + "\n\n".join(rows) + "\n").encode(encoding)


def source(folder: Path, kind: str) -> Path:
    lines = [json.dumps({"id": f"i{i}", "text": text}, ensure_ascii=False) for i, text in enumerate(TEXTS)]
    table = pa.table({"id": [f"i{i}" for i in range(len(TEXTS))], "text": TEXTS})
    if kind == "guid_tag":
        return write_synthetic(folder / "posts", posts=6, unlabelled=9, seed=1)
    if kind == "folder":
        (folder / "many").mkdir()
        (folder / "many" / "_SUCCESS.csv").write_text("a note")
        for at in range(0, len(TEXTS), 5):
            pq.write_table(table.slice(at, 5), folder / "many" / f"{at:03d}.parquet")
        return folder / "many"
    path = folder / f"in.{kind.split()[0]}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=4)
    else:
        encoding = {"csv marked": "utf-8-sig", "csv wide": "utf-16", "csv chinese": "gb18030"}.get(kind, "utf-8")
        ids = kind != "csv without ids"
        path.write_bytes("\n \n".join(lines).encode() if kind == "jsonl" else csv_bytes(encoding, ids=ids))
    return path


KINDS = ["csv", "csv marked", "csv wide", "csv chinese", "csv without ids", "jsonl", "parquet", "folder", "guid_tag"]


@pytest.mark.parametrize("kind", KINDS)
def test_runs_in_order_are_the_source(tmp_path: Path, kind: str) -> None:
    path = source(tmp_path, kind)
    whole = list(stream_posts(path, part="predict", strict=False))
    for size in (1, 4, 1000):
        runs = list(source_runs(path, size))
        assert [post for run in runs for post in run_posts(run)] == whole
        assert sum(run.rows for run in runs) == len(whole) >= 9
        assert all(1 <= run.rows <= size for run in runs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", [1, 2, 5, 40])
def test_shards_in_order_are_the_source(tmp_path: Path, kind: str, of: int) -> None:
    path = source(tmp_path, kind)
    whole = list(stream_posts(path, part="predict", strict=False))
    shards = [shard_posts(path, Shard(number, of)) for number in range(1, of + 1)]
    counts = [count for count, _ in shards]
    found = [list(posts) for _, posts in shards]
    assert [post for posts in found for post in posts] == whole
    assert [len(posts) for posts in found] == counts
    assert max(counts) - min(counts) <= 1


def test_a_shard_is_named_i_of_n() -> None:
    assert Shard.parse("3/8") == Shard(3, 8)
    for text in ("0/8", "9/8", "3", "a/b", "-1/3", "1/0", "1/2/3", ""):
        with pytest.raises(ConfigError, match="1/8"):
            Shard.parse(text)


def test_a_folder_of_files_is_of_one_format_and_reports_stay_reports(tmp_path: Path) -> None:
    assert source_format(source(tmp_path, "folder")) == "parts"
    folder = write_synthetic(tmp_path / "posts", posts=3, seed=1)
    (folder / "more.csv").write_text("text\ngood\n")
    assert source_format(folder) == "guid_tag"
    (tmp_path / "many" / "x.csv").write_text("text\ngood\n")
    with pytest.raises(DataError, match="one format, found csv, parquet"):
        list(source_runs(tmp_path / "many", 5))


def test_an_error_in_a_run_names_its_line_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\n" + "good\n" * 6 + "good,bad\n")
    *_, last = source_runs(path, 4)
    with pytest.raises(DataError, match="line 8"):
        list(run_posts(last, strict=True))
    assert [post.text for post in run_posts(last)] == ["good", "good", "good,bad"]


def test_an_image_named_by_a_uri_is_followed_only_if_asked(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(picture, "PNG")
    (tmp_path / "a b.png").write_bytes(picture.getvalue())
    names = ["nosuch://store/a.png", f"file://{tmp_path}/a b.png", f"file://{tmp_path}/none.png", f"file://{tmp_path}"]
    path = tmp_path / "in.csv"
    path.write_text("image\n" + "\n".join(names) + "\n")
    for remote in (False, True):
        images = [post.image for post in stream_posts(path, remote=remote)]
        assert images[0] == ImageUri(b"", names[0], follow=remote)
        opened = [look(image) for image in images if image is not None]
        assert [list(one.status) for one in opened] == [
            [Status.IMAGE_NOT_FETCHED], [], [Status.IMAGE_NOT_FOUND], [Status.IMAGE_UNREADABLE]
        ]  # fmt: skip
        assert opened[1].image is not None
        assert opened[1].image.size == (3, 2)


def test_a_run_of_parquet_holds_its_own_rows_only(tmp_path: Path) -> None:
    """20 MB of images in row groups of 1 MB: one run must not hold them all."""
    images = [bytes([i % 256]) * 100_000 for i in range(200)]
    path = tmp_path / "in.parquet"
    table = pa.table({"id": list(range(200)), "image": pa.array(images, pa.binary())})
    pq.write_table(table, path, row_group_size=10, compression="none", use_dictionary=False)
    del images, table
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    for run in source_runs(path, 10):
        for _ in run_posts(run):
            assert pa.total_allocated_bytes() - before < 8_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000, peak
