from __future__ import annotations

from pathlib import Path

import pytest
from format_cases import error_of, written

from moodfuse.data.formats.readers import read_posts, source_format, stream_posts
from moodfuse.data.posts import ImageRef, Post
from moodfuse.labels import Labels
from moodfuse.records.tolerant import Folder


def test_csv_in_any_order_with_columns_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, "a.png", b"P")
    path = written(
        tmp_path,
        "posts.csv",
        '\ufeffSentiment,note,image,Text,id\nneutral,x,a.png,"say ""hé"",\nnow",007\n,y,,,b\nNULL,z,gone.png,c,c\n',
    )
    assert source_format(path) == "csv"
    assert list(stream_posts(path)) == [
        Post("007", 'say "hé",\nnow', ImageRef(tmp_path / "a.png"), "neutral", "utf-8"),
        Post("b", "", None, None, "ascii"),
        Post("c", "c", ImageRef(tmp_path / "gone.png"), None, "ascii"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-32"])
def test_csv_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "posts.csv", "id,text,label\n1,你好,\n2,plain,positive\n".encode(encoding))
    assert source_format(path) == "csv"
    posts = list(stream_posts(path))
    assert [(post.id, post.text, post.label) for post in posts] == [("1", "你好", None), ("2", "plain", "positive")]
    assert (posts[0].encoding or "").startswith(encoding.removesuffix("-sig"))
    assert not posts[0].lossy


def test_all_lines_of_a_file_are_in_one_encoding_and_what_it_lacks_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"text\n" + "好好学习\n".encode() * 3 + "好\n".encode("gb18030") + b"plain\n")
    posts = list(stream_posts(path))
    assert [post.text for post in posts[:3]] == ["好好学习"] * 3
    assert [post.lossy for post in posts] == [False, False, False, True, False]
    assert [post.guessed for post in posts] == [False] * 5


def test_tsv_and_rows_without_an_id(tmp_path: Path) -> None:
    path = written(tmp_path, "posts.tsv", "text\tlabel\na, b\tpositive\n\nc\tnull\n")
    assert source_format(path) == "tsv"
    assert [(post.id, post.text, post.label) for post in stream_posts(path)] == [
        ("1", "a, b", "positive"),
        ("2", "c", None),
    ]
    assert source_format(written(tmp_path, "posts.txt", "id\ttext\n1\ta\n")) == "tsv"


def test_a_text_of_a_megabyte(tmp_path: Path) -> None:
    text = "word " * 200_000
    path = written(tmp_path, "posts.csv", f'id,text\n1,"{text}"\n')
    assert [post.text for post in stream_posts(path)] == [text]
    written(tmp_path, "history.csv", "epoch\n1\n")
    assert Folder(tmp_path).rows("history.csv", ["epoch"])  # a run is read: the csv module has one limit for all
    longer = written(tmp_path, "longer.csv", f'id,text\n1,"{text}{text}"\n')
    assert len(list(stream_posts(longer))) == 1


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("id,words\n1,a\n", ["line 1", "text or an image column", "'words'"]),
        ("id,guid,text\n1,2,a\n", ["line 1", "id and guid"]),
        ("id,text\n1,a\n2,b,c\n", ["line 3", "expected 2 cells", "found 3", "quotes"]),
        ("id,text\n1\n", ["line 2", "found 1"]),
        ('id,text\n1,"a\n2,b\n3,c\n', ["line 2", "quotes"]),
        ('id,text\n1,"a"b\n', ["line 2", "quotes"]),
        ("id,text,label\n1,a,positiv\n", ["line 2", "'positiv'", "did you mean positive"]),
        ('id,text,label\n1,"a\nb",positive\n2,b,great\n', ["line 4", "'great'"]),
        ("id,text\n ,a\n", ["line 2", "id is empty"]),
    ],
)
def test_a_wrong_table_is_told_with_its_line(tmp_path: Path, content: str, parts: list[str]) -> None:
    message = error_of(written(tmp_path, "posts.csv", content))
    for part in parts:
        assert part in message


def test_prediction_lives_with_labels_that_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text,label\n1,a,great\n1,b,positive\n,c,\nd\n")
    posts = list(stream_posts(path, strict=False))
    assert [(post.id, post.text, post.label) for post in posts] == [
        ("1", "a", None),
        ("1", "b", "positive"),
        ("", "c", None),
        ("d", None, None),
    ]


def test_labels_of_ones_own(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label\na,Joy\n")
    assert read_posts(path, labels=Labels(("anger", "joy"))).labels == ["joy"]
