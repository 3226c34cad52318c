from __future__ import annotations

import json
from pathlib import Path

import pytest
from format_cases import error_of, written

from moodfuse.data.formats.readers import count_posts, read_posts, source_format, stream_posts
from moodfuse.data.posts import ImageRef
from moodfuse.errors import DataError

ROWS = [{"id": 1, "text": "what a day"}, {"id": "007", "text": "bad", "label": "negative", "more": {"a": [1]}}]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("key", [None, "data", "posts"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_list_of_objects(tmp_path: Path, indent: int | None, key: str | None, mark: str) -> None:
    value = ROWS if key is None else {"meta": {"n": [1, 2]}, "tags": ["x"], key: ROWS, "after": 1}
    path = written(tmp_path, "a.json", mark + json.dumps(value, indent=indent))
    assert source_format(path) == "json"
    assert [(post.id, post.text, post.label) for post in read_posts(path)] == [
        ("1", "what a day", None),
        ("007", "bad", "negative"),
    ]


def test_lines_of_json_stay_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", "".join(json.dumps(row) + "\n" for row in ROWS))
    assert source_format(path) == "jsonl"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_an_odd_value_stops_no_prediction(tmp_path: Path, name: str) -> None:
    rows = [
        {"id": 1, "text": "a"}, {"id": None, "text": 5}, {"id": 2}, {"id": 1.5, "text": True}, 7,
        {"id": 9, "text": ["x"], "image": 3, "label": 4},
    ]  # fmt: skip
    lines = [json.dumps(row) for row in rows]
    path = written(tmp_path, name, "\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]")
    posts = list(stream_posts(path, strict=False))
    assert [(post.id, post.text) for post in posts] == [
        ("1", "a"), ("", "5"), ("2", None), ("1.5", "true"), ("5", None), ("9", '["x"]'),
    ]  # fmt: skip
    assert [post.image for post in posts] == [None] * 5 + [ImageRef(b"")]  # what is no image cannot be read


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[{", "row 1"),
        ('[{"text": "a"}, {"text"', "row 2"),
        ('{"a": 1, "b": [2]}', "'a', 'b'"),
        ('[{"text": "a"} {"text": "b"}]', "row 2"),
        ("[" * 100_000, "row 1"),
        ('[{"words": "a"}]', "found ['words']"),
    ],
)
def test_a_broken_list_is_told_with_its_row(tmp_path: Path, content: str, part: str) -> None:
    assert part in error_of(written(tmp_path, "a.json", content), format="json")


def test_an_object_larger_than_a_block(tmp_path: Path) -> None:
    rows = [{"text": "x" * 300_000}, {"text": "y"}]
    assert [post.text for post in stream_posts(written(tmp_path, "a.json", json.dumps(rows)))] == ["x" * 300_000, "y"]


def test_a_file_of_objects_without_texts_and_images_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", '{"words": "a"}\n'), ("a.json", '[{"words": "a"}]')):
        assert "--columns" in error_of(written(tmp_path, name, content), strict=False)


@pytest.mark.parametrize("rows", [3, 5_000])
def test_a_list_that_grows_while_it_is_read_is_refused(tmp_path: Path, rows: int) -> None:
    content = json.dumps([{"text": f"post {i}", "more": "x" * 20} for i in range(rows)])
    path = written(tmp_path, "a.json", content)
    posts = stream_posts(path)
    assert next(posts).text == "post 0"
    path.write_bytes(f"{content[:-1]},{content[1:]}".encode())
    with pytest.raises(DataError, match="somebody writes to it while it is read"):
        list(posts)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_the_count_needs_no_reading_of_the_objects(tmp_path: Path, encoding: str) -> None:
    rows = [{"text": f"第{i}条"} for i in range(40)]
    path = written(tmp_path, "a.json", json.dumps({"data": rows}, indent=1, ensure_ascii=False).encode(encoding))
    assert count_posts(path) == 40
    assert [post.text for post in stream_posts(path)] == [row["text"] for row in rows]


def test_a_broken_object_is_told_before_all_behind_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '[{"text": "a"}, {"text": oh no}' + ', {"text": "b"}' * 1_000_000 + "]")
    with pytest.raises(DataError, match=r"row 2: expected a JSON object, found '\{\"text\": oh no\}"):
        list(stream_posts(path, format="json"))
