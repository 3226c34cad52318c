from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from format_cases import error_of, written

from moodfuse.data.formats.columns import parse_columns, rank_of
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.errors import DataError


def lines_of(source: Any, **how: Any) -> tuple[list[Any], list[str]]:
    told: list[str] = []
    return list(stream_posts(source, notify=told.append, strict=False, **how)), told


def test_exact_names_need_no_word(tmp_path: Path) -> None:
    posts, told = lines_of(written(tmp_path, "a.csv", "guid,Text,tag,note\n7,a,positive,x\n"))
    assert [(post.id, post.text, post.label) for post in posts] == [("7", "a", "positive")]
    assert told == []


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("tweet_id,airline_sentiment,text", ("id", "label", "text")),
        ("Tweet ID,Full-Text,Polarity", ("id", "text", "label")),
        ("id,caption,class", ("id", "text", "label")),
        ("id_str,message,sentiment", ("id", "text", "label")),
        ("微博正文,标签,mid", ("text", "label", "id")),
    ],
)
def test_well_known_names_are_taken_and_told(tmp_path: Path, header: str, roles: tuple[str, ...]) -> None:
    values = {"id": "900000000000000017", "text": "good", "label": "positive"}
    posts, told = lines_of(written(tmp_path, "a.csv", header + "\n" + ",".join(values[role] for role in roles) + "\n"))
    assert [(post.id, post.text, post.label) for post in posts] == [tuple(values.values())]
    assert len(told) == 1
    for role, name in zip(roles, header.split(","), strict=True):
        assert f"{role} from {name!r}" in told[0]


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    _, told = lines_of(written(tmp_path, "a.csv", "id,text,caption,note\n1,a,b,c\n"))
    assert len(told) == 1
    assert "passed over: 'caption'" in told[0]
    assert "note" not in told[0]


def test_two_candidates_with_the_same_right_are_an_error_that_says_what_decides(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,caption,body\n1,a,b\n")
    message = error_of(path)
    assert "caption and body" in message
    assert "--columns text=caption" in message
    posts, _ = lines_of(path, columns={"text": "BODY"})
    assert posts[0].text == "b"


def test_a_column_that_is_named_goes_before_names_and_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text,words\n1,a,b\n")
    posts, told = lines_of(path, columns={"text": "words"})
    assert posts[0].text == "b"
    assert "passed over: 'text'" in told[0]
    message = error_of(path, columns={"text": "tweet"})
    assert "'tweet'" in message
    assert "'id', 'text', 'words'" in message


@pytest.mark.parametrize("kind", ["frame", "arrow", "mappings", "csv", "jsonl", "parquet"])
def test_columns_are_named_in_every_kind_of_source(tmp_path: Path, kind: str) -> None:
    rows = [{"what": "good", "who": "007", "how": "positive"}, {"what": "bad", "who": "8", "how": "negative"}]
    frame = pd.DataFrame(rows)
    source: Any = {"frame": frame, "arrow": pa.Table.from_pylist(rows), "mappings": rows}.get(
        kind, tmp_path / f"a.{kind}"
    )
    if kind == "csv":
        frame.to_csv(source, index=False)
    elif kind == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    elif kind == "parquet":
        frame.to_parquet(source)
    posts = read_posts(source, columns={"text": "what", "id": "who", "label": "how"})
    assert [(post.id, post.text, post.label) for post in posts] == [
        ("007", "good", "positive"),
        ("8", "bad", "negative"),
    ]


def test_several_images_a_post(tmp_path: Path) -> None:
    for name in "abc":
        written(tmp_path, f"{name}.png", name.encode())
    path = written(tmp_path, "a.csv", "text,image2,image1,image10\nx,b.png,a.png,c.png\ny,,a.png;b.png,\nz,,,\n")
    posts, told = lines_of(path)
    assert [[image.source.name for image in post.images] for post in posts] == [  # type: ignore[union-attr]
        ["a.png", "b.png", "c.png"],
        ["a.png", "b.png"],
        [],
    ]
    assert "more images from 'image2', 'image10'" in told[0]
    listed = written(tmp_path, "b.jsonl", '{"text": "x", "image": ["a.png", "c.png"]}\n')
    assert [image.source.name for image in lines_of(listed)[0][0].images] == ["a.png", "c.png"]


def test_the_option() -> None:
    assert parse_columns("text=tweet, full,image=photo url") == {"text": "tweet, full", "image": "photo url"}
    assert parse_columns(None) == {}
    for wrong, part in (("tweet", "ROLE=NAME"), ("txt=a", "did you mean text"), ("text=a,text=b", "twice")):
        with pytest.raises(DataError, match=part):
            parse_columns(wrong)


def test_ranks() -> None:
    assert rank_of(" TEXT ") == ("text", 0)
    assert rank_of("te-xt") == ("text", 1)
    assert rank_of("shoe_size") is None


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_all_columns_come_with_the_posts_where_they_are_asked_for(tmp_path: Path, name: str) -> None:
    rows = {
        "a.csv": "who,text,who\n01,a,x\n02,b\n",
        "a.tsv": "who\ttext\twho\n01\ta\tx\n02\tb\n",
        "a.jsonl": '{"who": "01", "text": "a"}\n{"who": "02", "text": "b", "n": 5}\n',
        "a.json": '[{"who": "01", "text": "a"}, {"who": "02", "text": "b", "n": 5}]',
    }
    stream = stream_posts(written(tmp_path, name, rows[name]), strict=False, fields=True)
    fields = [dict(post.fields or {}) for post in stream]
    if name.startswith("a.json"):
        assert stream.columns == ("who", "text", "n")
        assert fields == [{"who": "01", "text": "a"}, {"who": "02", "text": "b", "n": 5}]
    else:
        assert stream.columns == ("who", "text", "who_2")
        assert fields == [{"who": "01", "text": "a", "who_2": "x"}, {"who": "02", "text": "b", "who_2": None}]
