from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.errors import DataError

WEB = "https://example.org/a.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for name in ("img/a.png", "img/b c.png", "img/d;e.png", "img/f,g.jpg"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("img/a.png", ["img/a.png"]),
        (" img/a.png ", ["img/a.png"]),
        ('"img/a.png"', ["img/a.png"]),
        ("img\\a.png", ["img/a.png"]),
        (".\\IMG\\A.PNG", ["img/a.png"]),
        ("img/b%20c.png", ["img/b c.png"]),
        ("img/a.png;img/b c.png", ["img/a.png", "img/b c.png"]),
        ("img/a.png | img/none.jpg", ["img/a.png", "img/none.jpg"]),
        ("img/a.png,img\\b c.png", ["img/a.png", "img/b c.png"]),
        ('["img/a.png", "img/b c.png"]', ["img/a.png", "img/b c.png"]),
        ("['img/a.png', 'img/b c.png']", ["img/a.png", "img/b c.png"]),
        (["img/a.png", None, "img/b c.png"], ["img/a.png", "img/b c.png"]),
        ({"path": "img/a.png", "bytes": None}, ["img/a.png"]),
        ("img/d;e.png", ["img/d;e.png"]),  # a file of that very name
        ("img/f,g.jpg", ["img/f,g.jpg"]),
        ("one, two; three", ["one, two; three"]),  # no names of images
        ("img/none.png", ["img/none.png"]),
    ],
)
def test_paths(folder: Path, value: Any, names: list[str]) -> None:
    assert [ref.source for ref in image_refs(folder, value)] == [folder / name for name in names]


@pytest.mark.parametrize("value", [None, "", "  ", "null", "NaN", "None", "[]", float("nan"), [], [None], '""'])
def test_nothing_is_no_image(folder: Path, value: Any) -> None:
    assert image_refs(folder, value) == []


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (WEB, [WEB]),
        (f"{WEB};{WEB}?x=1", [WEB, f"{WEB}?x=1"]),
        (f"{WEB},{WEB}", [WEB, WEB]),
        (f"{WEB} {WEB}", [WEB, WEB]),
        ("https://example.org/a,b.jpg", ["https://example.org/a,b.jpg"]),
        ("https://example.org/a;size=2.jpg", ["https://example.org/a;size=2.jpg"]),
        ("HTTPS://EXAMPLE.ORG/a", ["HTTPS://EXAMPLE.ORG/a"]),
        ("//cdn.example.org/a", ["https://cdn.example.org/a"]),
        ({"url": WEB}, [WEB]),
        ([{"url": WEB}, "s3://bucket/a.jpg"], [WEB, "s3://bucket/a.jpg"]),
    ],
)
def test_addresses(folder: Path, value: Any, addresses: list[str]) -> None:
    assert image_refs(folder, value) == [ImageUri(b"", address) for address in addresses]


def test_names_and_then_addresses(folder: Path) -> None:
    assert image_refs(folder, f"img/a.png;{WEB}") == [ImageRef(folder / "img/a.png"), ImageUri(b"", WEB)]


def test_absolute_paths_and_file_addresses(folder: Path) -> None:
    path = folder / "img" / "b c.png"
    for value in (str(path), path, f"file://{path}", f"file://{str(path).replace(' ', '%20')}", f"FILE://{path}"):
        assert image_refs(Path("elsewhere"), value) == [ImageRef(path)]


def test_bytes_in_every_wrapping(folder: Path) -> None:
    text = base64.b64encode(b"JPEG").decode()
    for value in (b"JPEG", {"base64": text}, {"bytes": b"JPEG", "path": "x"}, f"data:image/jpeg;base64,{text}",
                  "DATA:image/jpeg,JPEG", f"data:image/jpeg;base64,{text[:4]}%0A{text[4:]}"):  # fmt: skip
        assert image_refs(folder, value) == [ImageRef(b"JPEG")]


@pytest.mark.parametrize("value", [5, True, {"x": 1}, {"base64": "*"}, "data:image/png;base64,*", np.zeros((2, 2))])
def test_what_is_no_image_is_unreadable_and_refused_if_strict(folder: Path, value: Any) -> None:
    assert image_refs(folder, value) == [ImageRef(b"")]
    with pytest.raises(DataError, match="row 3: "):
        image_refs(folder, value, where="row 3", strict=True)


# Through the readers


def several(post: Post) -> list[str]:
    return [str(one.source) if isinstance(one.source, Path) else "bytes" for one in post.images]


def test_tables_and_objects_give_several_images(folder: Path) -> None:
    (folder / "p.csv").write_text("id,text,image\n1,a,img/a.png;img/b c.png\n2,b,\n")
    lines = [{"id": 1, "text": "a", "image": ["img/a.png", "img/b c.png"]}, {"id": 2, "text": "b", "image": []}]
    (folder / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    expected = [[str(folder / "img/a.png"), str(folder / "img/b c.png")], []]
    assert [several(post) for post in read_posts(folder / "p.csv")] == expected
    assert [several(post) for post in read_posts(folder / "p.jsonl")] == expected
    assert len(read_posts([{"text": "a", "image": [b"x", b"y"]}])[0].images) == 2


def told(path: Path) -> tuple[int, list[str]]:
    lines: list[str] = []
    return len(list(stream_posts(path, part="predict", strict=False, notify=lines.append))), lines


def test_a_table_without_any_of_its_images_is_told(folder: Path) -> None:
    path = folder / "p.csv"
    path.write_text("text,image\n" + "hello,pics/1.jpg\n" * 3)
    posts, [line] = told(path)
    assert posts == 3
    assert f"looked for {folder / 'pics/1.jpg'}, there is no folder {folder / 'pics'}" in line
    path.write_text("text,image\n" + "hello,img/1.jpg\n" * 3 + "x,img/a.png\n")
    assert told(path) == (4, [])


def test_a_table_of_nothing_but_images_that_are_not_there_is_refused(folder: Path) -> None:
    path = folder / "p.csv"
    path.write_text("id,image\n" + "1,img/1.jpg\n" * 2_500)
    with pytest.raises(DataError, match=r"looked for .*1\.jpg, .*img holds a\.png, "):
        next(stream_posts(path, part="predict", strict=False))


@pytest.mark.parametrize("listing", ["guid,tag\n1.0,null\n2.0,null\n", "guid,tag\n1.txt,null\n"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_list_of_which_no_post_has_a_file_says_where_it_looked(tmp_path: Path, listing: str, strict: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.txt").write_text("one")
    (tmp_path / "train.txt").write_text(listing)
    first = listing.split()[1].split(",")[0]
    with pytest.raises(DataError, match=rf"looked for {first}\.txt and {first}\.jpg, the folder holds 1\.txt;"):
        next(stream_posts(tmp_path, strict=strict))


def test_one_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1999.TXT").write_text("late")
    (tmp_path / "train.txt").write_text("guid,tag\n" + "".join(f"{i},positive\n" for i in range(2000)))
    texts = [post.text for post in read_posts(tmp_path)]
    assert texts == [None] * 1999 + ["late"]


@pytest.mark.parametrize("depth", [9, 300, 900, 5_000])
def test_lists_in_lists_are_an_image_that_cannot_be_read(folder: Path, depth: int) -> None:
    cell = "[" * depth + '"img/a.png"' + "]" * depth
    expected = [ImageRef(b"")] if depth < 1_000 else [ImageRef(folder / cell)]  # no list: Python reads none so deep
    assert image_refs(folder, cell) == expected
    (folder / "posts.jsonl").write_text(json.dumps({"id": "1", "text": "fine", "image": cell}) + "\n")
    assert [post.text for post in stream_posts(folder / "posts.jsonl", strict=False)] == ["fine"]
    if depth < 1_000:
        with pytest.raises(DataError, match="lists in lists"):
            image_refs(folder, cell, strict=True)


def test_eight_lists_in_one_another_are_read(folder: Path) -> None:
    assert image_refs(folder, "[" * 8 + '"img/a.png"' + "]" * 8) == [ImageRef(folder / "img/a.png")]
