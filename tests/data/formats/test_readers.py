from __future__ import annotations

import base64
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from moodfuse.data.formats.readers import read_posts, source_format, stream_posts
from moodfuse.data.images import open_image
from moodfuse.data.posts import ImageRef, Post
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError
from moodfuse.labels import Labels


def report(folder: Path, listing: str, files: dict[str, bytes], name: str = "train.txt", data: str = "data") -> Path:
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


# The report folder


def test_report_folder(tmp_path: Path) -> None:
    files = {"7.txt": "很好".encode("gb18030"), "7.jpg": b"J", "3.txt": b"ok\n", "b.webp": b"W"}
    path = report(tmp_path, "guid,tag\r\n7,positive\r\n3, Negative \r\nb,null\r\n", files)
    assert source_format(path) == "guid_tag"
    assert list(read_posts(path)) == [
        Post("7", "很好", ImageRef(tmp_path / "data/7.jpg"), "positive", "gb18030"),
        Post("3", "ok\n", None, "negative", "ascii"),
        Post("b", None, ImageRef(tmp_path / "data/b.webp"), None),
    ]


def test_the_part_of_a_report_folder(tmp_path: Path) -> None:
    report(tmp_path, "guid,tag\n1,positive\n", {})
    assert [post.id for post in stream_posts(tmp_path, part="predict")] == ["1"]
    report(tmp_path, "guid,tag\n2,null\n", {}, name="test_without_label.txt")
    assert [post.id for post in stream_posts(tmp_path, part="predict")] == ["2"]
    assert [post.id for post in stream_posts(tmp_path)] == ["1"]


@pytest.mark.parametrize("name", ["test_without_label.txt", "mine.csv", "list"])
@pytest.mark.parametrize("data", ["data", "."])
def test_the_listing_itself(tmp_path: Path, name: str, data: str) -> None:
    report(tmp_path, "tag,GUID\nnull,5\n", {"5.txt": b"hi"}, name=name, data=data)
    assert source_format(tmp_path / name) == "guid_tag"
    assert [(post.id, post.text) for post in stream_posts(tmp_path / name)] == [("5", "hi")]


@pytest.mark.parametrize(
    "guid", ["../secret", "../../secret", "sub/secret", "..", "ABSOLUTE", "..\\secret", "x\0", "", "."]
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_guid_never_reaches_outside(tmp_path: Path, guid: str, strict: bool) -> None:
    inner = tmp_path / "posts"
    (inner / "data" / "sub").mkdir(parents=True)
    for folder in (tmp_path, inner, inner / "data" / "sub"):
        for suffix in (".txt", ".jpg"):
            (folder / f"secret{suffix}").write_text("secret")
    guid = guid.replace("ABSOLUTE", str(tmp_path / "secret"))
    report(inner, f"guid,tag\n1,positive\n{guid},positive\n2,positive\n", {"2.txt": b"two"})
    if strict and not guid:
        assert "line 3" in error_of(inner)
        return
    posts = list(stream_posts(inner, strict=strict))
    assert [post.id for post in posts] == ["1", guid, "2"]
    assert (posts[1].text, posts[1].image) == (None, None)
    assert posts[2].text == "two"


def test_an_endless_text_is_cut_between_characters(tmp_path: Path) -> None:
    report(tmp_path, "guid,tag\n1,null\n", {"1.txt": "好好 ".encode() * (3 * 2**20)})
    post = next(stream_posts(tmp_path))
    assert post.encoding == "utf-8"
    assert 0.4 * 16 * 2**20 < len(post.text or "") < 0.45 * 16 * 2**20


# CSV, TSV


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
        Post("c", "c", None, None, "ascii"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-32"])
def test_csv_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "posts.csv", "id,text,label\n1,你好,\n2,plain,positive\n".encode(encoding))
    assert source_format(path) == "csv"
    posts = list(stream_posts(path))
    assert [(post.id, post.text, post.label) for post in posts] == [("1", "你好", None), ("2", "plain", "positive")]
    assert posts[0].encoding == encoding.removesuffix("-sig")
    assert not posts[0].lossy


def test_lines_of_one_csv_may_be_encoded_differently(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"text\n" + "好".encode() + b"\n" + "好".encode("gb18030") + b"\n\x81caf\xe9 \n")
    posts = list(stream_posts(path))
    assert [post.text for post in posts] == ["好", "好", "\ufffdcafé "]
    assert [post.lossy for post in posts] == [False, False, True]


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


# JSON lines


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
        assert open_image(post.image)[0].size == (3, 2)  # type: ignore[union-attr]
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
        ('{"text": 5}', "found 5"),
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


# What is no source


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in error_of(tmp_path / "gone")
    assert "no such file" in error_of(tmp_path / "nul\0")


def test_a_folder_without_a_list(tmp_path: Path) -> None:
    assert "found nothing" in error_of(tmp_path)
    for number in range(8):
        written(tmp_path, f"{number}.jpg", b"")
    message = error_of(tmp_path)
    assert "expected train.txt" in message
    assert "0.jpg, 1.jpg" in message
    assert "3 more" in message


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "train.txt"])
@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_an_empty_file(tmp_path: Path, name: str, content: bytes) -> None:
    assert "empty" in error_of(written(tmp_path, name, content))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_a_binary_file(tmp_path: Path, name: str) -> None:
    assert "binary" in error_of(written(tmp_path, name, b"\x89PNG\r\0\0\0\x0dIHDR\n"))


@pytest.mark.parametrize("format", [None, "guid_tag"])
def test_no_header(tmp_path: Path, format: str | None) -> None:
    message = error_of(written(tmp_path, "posts.txt", "4597,negative\n26,neutral\n"), format=format)
    assert "guid,tag" in message
    assert "4597,negative" in message


def test_a_list_without_a_header_in_a_folder(tmp_path: Path) -> None:
    report(tmp_path, "4597,negative\n", {})
    assert "guid,tag" in error_of(tmp_path)


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


# All of them


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)), st.sampled_from([b"", b"guid,tag,text\n", b"text\n"]))
def test_any_bytes_are_posts_or_one_line_of_error(tmp_path: Path, content: bytes, format: str, header: bytes) -> None:
    path = written(tmp_path, "any", header + content)
    for strict in (True, False):
        posts, error = [], ""
        try:
            posts = list(stream_posts(path, format=format, strict=strict))
        except DataError as caught:
            error = str(caught)
        assert "\n" not in error
        assert len({id(post) for post in posts}) == len(posts) <= content.count(b"\n") + content.count(b"\r") + 1


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_streaming_takes_the_memory_of_a_post(tmp_path: Path, name: str) -> None:
    row = json.dumps({"text": "x" * 1000}) if name.endswith("jsonl") else "x" * 1000
    path = written(tmp_path, name, ("" if name.endswith("jsonl") else "text\n") + f"{row}\n" * 20_000)
    tracemalloc.start()
    assert sum(1 for _ in stream_posts(path)) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000  # the file has 20


def test_adding_a_reader_is_one_class(tmp_path: Path) -> None:
    try:

        @reader("upper")
        class UpperReader(Reader):
            def recognises(self, path: Path, header: str | None) -> bool:
                return path.suffix == ".upper"

            def rows(self, path: Path, *, part: str, strict: bool) -> Iterator[Row]:
                yield Row(path, 1, "1", Decoded("A", "ascii"), None, "Positive")

        path = written(tmp_path, "a.upper", "?")
        assert source_format(path) == "upper"
        assert list(read_posts(path)) == [Post("1", "A", None, "positive", "ascii")]
    finally:
        READERS.pop("upper", None)


# Real posts


def test_the_real_posts(posts_folder: Path) -> None:
    train = read_posts(posts_folder)
    test = list(stream_posts(posts_folder, part="predict", strict=False))
    assert (len(train), len(test)) == (4000, 511)
    assert Counter(train.labels) == {"positive": 2388, "negative": 1193, "neutral": 419}
    assert {post.label for post in test} == {None}
    assert Counter(post.encoding for post in [*train, *test]) == {"ascii": 3448, "gb18030": 1061, "utf-8": 2}
    assert not any(post.lossy for post in [*train, *test])
    assert all(post.text is not None and post.image is not None for post in [*train, *test])
    assert source_format(posts_folder / "test_without_label.txt") == "guid_tag"
    assert [post.id for post in stream_posts(posts_folder / "test_without_label.txt")] == [post.id for post in test]
