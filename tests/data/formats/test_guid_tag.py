from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from format_cases import error_of, guid_tag_folder, written

from moodfuse.data.formats.readers import read_posts, source_format, stream_posts
from moodfuse.data.posts import ImageRef, Post


def test_a_folder(tmp_path: Path) -> None:
    files = {"7.txt": "很好".encode("gb18030"), "7.jpg": b"J", "3.txt": b"ok\n", "b.webp": b"W"}
    path = guid_tag_folder(tmp_path, "guid,tag\r\n7,positive\r\n3, Negative \r\nb,null\r\n", files)
    assert source_format(path) == "guid_tag"
    assert list(read_posts(path)) == [
        Post("7", "很好", ImageRef(tmp_path / "data/7.jpg"), "positive", "gb18030", guessed=True),
        Post("3", "ok\n", None, "negative", "ascii"),
        Post("b", None, ImageRef(tmp_path / "data/b.webp"), None),
    ]


def test_the_part_of_a_folder(tmp_path: Path) -> None:
    guid_tag_folder(tmp_path, "guid,tag\n1,positive\n", {"1.txt": b"one"})
    assert [post.id for post in stream_posts(tmp_path, part="predict")] == ["1"]
    guid_tag_folder(tmp_path, "guid,tag\n2,null\n", {"2.txt": b"two"}, name="test_without_label.txt")
    assert [post.id for post in stream_posts(tmp_path, part="predict")] == ["2"]
    assert [post.id for post in stream_posts(tmp_path)] == ["1"]


@pytest.mark.parametrize("name", ["test_without_label.txt", "mine.csv", "list"])
@pytest.mark.parametrize("data", ["data", "."])
def test_the_listing_itself(tmp_path: Path, name: str, data: str) -> None:
    guid_tag_folder(tmp_path, "tag,GUID\nnull,5\n", {"5.txt": b"hi"}, name=name, data=data)
    assert source_format(tmp_path / name) == "guid_tag"
    assert [(post.id, post.text) for post in stream_posts(tmp_path / name)] == [("5", "hi")]


@pytest.mark.parametrize("guid", ["../secret", "sub/secret"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_guid_names_no_file_but_in_its_folder(tmp_path: Path, guid: str, strict: bool) -> None:
    guid_tag_folder(tmp_path, f"guid,tag\n{guid},positive\n2,positive\n", {"2.txt": b"two"})
    (tmp_path / "data" / "sub").mkdir()
    for folder in (tmp_path, tmp_path / "data" / "sub"):
        for suffix in (".txt", ".jpg"):
            (folder / f"secret{suffix}").write_text("secret")
    posts = list(stream_posts(tmp_path, strict=strict))
    assert [(post.id, post.text, post.image) for post in posts] == [(guid, None, None), ("2", "two", None)]


def test_an_endless_text_is_cut_between_characters(tmp_path: Path) -> None:
    guid_tag_folder(tmp_path, "guid,tag\n1,null\n", {"1.txt": "好好 ".encode() * (3 * 2**20)})
    post = next(stream_posts(tmp_path))
    assert post.encoding == "utf-8"
    assert 0.4 * 16 * 2**20 < len(post.text or "") < 0.45 * 16 * 2**20


def test_a_folder_without_a_list(tmp_path: Path) -> None:
    assert "found nothing" in error_of(tmp_path)
    for number in range(8):
        written(tmp_path, f"{number}.jpg", b"")
    message = error_of(tmp_path)
    assert "expected train.txt" in message
    assert "0.jpg, 1.jpg" in message
    assert "3 more" in message


@pytest.mark.parametrize("format", [None, "guid_tag"])
def test_no_header(tmp_path: Path, format: str | None) -> None:
    message = error_of(written(tmp_path, "posts.txt", "4597,negative\n26,neutral\n"), format=format)
    assert "guid,tag" in message
    assert "4597,negative" in message


def test_a_list_without_a_header_in_a_folder(tmp_path: Path) -> None:
    guid_tag_folder(tmp_path, "4597,negative\n", {})
    assert "guid,tag" in error_of(tmp_path)


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
