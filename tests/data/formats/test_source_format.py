from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from format_cases import error_of, written

from moodfuse.data.formats.base import PREDICTING
from moodfuse.data.formats.readers import came_as, count_posts, read_posts, source_format, stream_posts
from moodfuse.errors import DataError


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in error_of(tmp_path / "gone")
    assert "no such file" in error_of(tmp_path / "nul\0")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "train.txt"])
@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_an_empty_file(tmp_path: Path, name: str, content: bytes) -> None:
    assert "empty" in error_of(written(tmp_path, name, content))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_a_binary_file(tmp_path: Path, name: str) -> None:
    assert "binary" in error_of(written(tmp_path, name, b"\x89PNG\r\0\0\0\x0dIHDR\n"))


def test_a_folder_where_a_file_is_expected(tmp_path: Path) -> None:
    assert "found a folder" in error_of(tmp_path, format="csv")


def test_an_unknown_format(tmp_path: Path) -> None:
    message = error_of(written(tmp_path, "a.csv", "text\na\n"), format="jsonlines")
    assert "did you mean jsonl" in message


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.csv", "text\na\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so chmod shows nothing here
    assert "permissions" in error_of(path)


def test_an_id_that_stands_twice_names_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text\n7,a\n8,b\n7,c\n")
    with pytest.raises(DataError, match=r"id '7' stands on line 2 and again on line 4"):
        read_posts(path)
    assert [post.id for post in stream_posts(path, strict=False)] == ["7", "8", "7"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_a_source_is_looked_at_once(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"a.csv": "id,text\n1,a\n", "a.jsonl": '{"text": "a"}\n{"text": "b"}\n', "a.json": '[{"text": "a"}]'}
    path = written(tmp_path, name, content[name])
    opened: list[Path] = []
    by_path = Path.open

    def counted(self: Path, *given: Any, **how: Any) -> Any:
        opened.append(self)
        return by_path(self, *given, **how)

    monkeypatch.setattr(Path, "open", counted)
    format = came_as(path)
    assert len(opened) <= 3  # its beginning, the encoding of all of it, and what Telegram would have further down
    opened.clear()
    assert source_format(path) == came_as(path) == format
    assert opened == []
    stream = stream_posts(path, PREDICTING, fields=True)
    assert count_posts(path, PREDICTING) >= 1
    assert list(stream)
    assert len(opened) <= 8


def test_a_file_that_has_changed_is_looked_at_anew(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "id,text\n1,a\n")
    assert source_format(path) == "csv"
    assert source_format(written(tmp_path, "a.txt", "id\ttext\tlabel\n1\ta\t\n")) == "tsv"
    folder = tmp_path / "many"
    folder.mkdir()
    written(folder, "a.csv", "text\na\n")
    assert came_as(folder) == "csv"
    (folder / "a.csv").unlink()
    written(folder, "a.jsonl", '{"text": "a"}\n')
    os.utime(folder, ns=(1, 1))
    assert came_as(folder) == "jsonl"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.parquet", "a"])
@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("csv", "id,text\n1,a\n"),
        ("tsv", "id\ttext\n1\ta\n"),
        ("jsonl", '{"id": "1", "text": "a"}\n'),
        ("json", '[{"id": "1", "text": "a"}]'),
        ("json", '[\n {"id": "1",\n  "text": "a"}\n]'),
        ("weibo", "id,微博正文\n1,a\n"),
    ],
)
def test_what_is_in_a_file_tells_its_format_whatever_its_name(
    tmp_path: Path, name: str, format: str, content: str
) -> None:
    path = written(tmp_path, name, content)
    assert source_format(path) == format
    assert [(post.id, post.text) for post in stream_posts(path)] == [("1", "a")]


@pytest.mark.parametrize(("name", "format"), [("a.csv", "csv"), ("a.tab", "tsv"), ("a.jsonl", "jsonl")])
def test_a_name_tells_the_format_where_nothing_else_does(tmp_path: Path, name: str, format: str) -> None:
    assert source_format(written(tmp_path, name, "words\nof mine\n")) == format
    assert "binary" in error_of(written(tmp_path, name, b"RIFF\0\0\0\0WEBP"))


def test_a_folder_is_of_the_format_of_its_files_whatever_its_own_name(tmp_path: Path) -> None:
    for name in ("posts.jsonl", "posts.csv"):  # as Spark names them
        folder = tmp_path / name
        folder.mkdir()
        written(folder, "part-0.csv", "id,text\n1,a\n")
        assert source_format(folder) == "parts"
        assert [post.text for post in stream_posts(folder)] == ["a"]
