from __future__ import annotations

from pathlib import Path

import pytest

from moodfuse.data.audit.inventory import take_inventory
from moodfuse.data.posts import Post, Posts
from moodfuse.errors import DataError


def folder(path: Path, train: str | None, to_predict: str | None) -> Path:
    (path / "data").mkdir(parents=True)
    (path / "data" / "1.txt").write_text("one")
    (path / "data" / "3.txt").write_text("three")
    for name, rows in (("train.txt", train), ("test_without_label.txt", to_predict)):
        if rows is not None:
            (path / name).write_text("guid,tag\n" + rows)
    return path


def test_both_lists_of_a_folder_are_read_and_the_second_has_no_labels(tmp_path: Path) -> None:
    found = take_inventory(folder(tmp_path / "a", "1,positive\n2,negative\n", "3,null\n4,positive\n"))
    assert found.posts.ids == ["1", "2", "3", "4"]
    assert found.posts.labels == ["positive", "negative", None, None]
    assert found.labelled.ids == ["1", "2"]
    assert found.posts[0].text == "one"


def test_either_list_is_enough(tmp_path: Path) -> None:
    assert take_inventory(folder(tmp_path / "a", "1,positive\n", None)).posts.ids == ["1"]
    assert take_inventory(folder(tmp_path / "b", None, "3,null\n")).posts.labels == [None]


def test_ids_that_repeat_are_kept_once_and_told(tmp_path: Path) -> None:
    rows = "1,positive\n1,negative\n2,neutral\n2,neutral\n2,neutral\n3,positive\n"
    found = take_inventory(folder(tmp_path / "a", rows, "3,null\n4,null\n"))
    assert found.posts.ids == ["1", "2", "3", "4"]
    assert found.repeated == {"1": 2, "2": 3}
    assert found.contradicting == ("1",)
    assert found.in_both_lists == ("3",)
    assert found.posts[0].label == "positive"


def test_tables_and_objects_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text("id,text,label\na,hello,positive\nb,there,\n")
    (tmp_path / "posts.jsonl").write_text('{"id": "a", "text": "hello", "label": null}\n')
    assert take_inventory(tmp_path / "posts.csv").posts.labels == ["positive", None]
    assert take_inventory(tmp_path / "posts.jsonl").posts.ids == ["a"]
    assert take_inventory([{"id": "a", "text": "hello"}]).posts.ids == ["a"]
    posts = Posts([Post("a", "b")], dropped={"why": 2})
    assert take_inventory(posts).posts is posts
    assert take_inventory(posts).dropped == {"why": 2}


def test_parquet_is_read(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"id": ["a", "a"], "text": ["x", "y"]}), tmp_path / "posts.parquet")
    assert take_inventory(tmp_path / "posts.parquet").repeated == {"a": 2}


def test_folders_without_a_list_and_sources_without_posts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="found nothing"):
        take_inventory(tmp_path / "images")
    (tmp_path / "images" / "1.jpg").touch()
    with pytest.raises(DataError, match=r"expected train\.txt .* in this folder, .*found 1\.jpg"):
        take_inventory(tmp_path / "images")
    with pytest.raises(DataError, match="holds no posts"):
        take_inventory(folder(tmp_path / "a", "", None))
    with pytest.raises(DataError, match="unknown label 'happy'"):
        take_inventory(folder(tmp_path / "b", "1,happy\n", None))
