from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from format_cases import error_of, written
from PIL import Image

from moodfuse.data.formats.readers import source_format, stream_posts
from moodfuse.data.images import look


def test_jsonl(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    written(tmp_path, "a.png", buffer.getvalue())
    rows = [
        {"id": 5, "text": "hi", "image": {"base64": base64.b64encode(buffer.getvalue()).decode()}, "label": "neutral"},
        {"guid": "x", "text": None, "image": "a.png", "tag": None, "more": [1]},
        {"id": "y", "Text": "naïve"},
    ]
    path = written(tmp_path, "posts.jsonl", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert source_format(path) == "jsonl"
    posts = list(stream_posts(path))
    assert [(post.id, post.text, post.label) for post in posts] == [
        ("5", "hi", "neutral"),
        ("x", None, None),
        ("y", "naïve", None),
    ]
    for post in posts[:2]:
        assert post.image is not None
        assert look(post.image).image.size == (3, 2)  # type: ignore[union-attr]
    assert posts[2].image is None


def test_jsonl_is_known_by_its_content_and_numbers_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "posts.data", '{"text": "a"}\n\n{"text": "b"}\n')
    assert source_format(path) == "jsonl"
    assert [(post.id, post.text) for post in stream_posts(path)] == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "expected one JSON object"),
        ("[1]", "found [1]"),
        ("[" * 100_000, "expected one JSON object"),
        ('{"id": 1}', "found ['id']"),
        ('{"text": [5]}', "found [5]"),
        ('{"text": "a", "id": 1.5}', "found 1.5"),
        ('{"text": "a", "id": true}', "found True"),
        ('{"text": "a", "image": 5}', "as image"),
        ('{"text": "a", "image": {"base64": "*"}}', "base64"),
        ('{"text": "a", "label": "fine"}', "'fine'"),
        ('{"text": "a", "label": 3}', "label"),
    ],
)
def test_a_bad_json_line_is_named(tmp_path: Path, line: str, part: str) -> None:
    message = error_of(written(tmp_path, "posts.jsonl", '{"text": "ok"}\n' + line + "\n"))
    assert "line 2" in message
    assert part in message
    assert len(message) < 400 + len(str(tmp_path))


def test_a_lone_surrogate_does_not_stop_the_output(tmp_path: Path) -> None:
    path = written(tmp_path, "posts.jsonl", r'{"id": "a\ud800", "text": "b\ud800"}')
    assert next(stream_posts(path)).id.encode("utf-8") == rb"a\ud800"
