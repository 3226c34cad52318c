"""One contract for every writer, looped over the registry: what it writes, its reader gives back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from moodfuse.data.formats.base import Target
from moodfuse.data.formats.readers import read_posts, source_format, stream_posts
from moodfuse.data.formats.registry import readers, writers
from moodfuse.data.formats.writers import start_writing
from moodfuse.data.posts import ImageRef, Post
from moodfuse.errors import DataError, OutputError
from moodfuse.workflows.conversion import convert

WRITERS = writers()
#: Every way to write: a format, and whether images go into the file.
WAYS = [(name, embed) for name, one in WRITERS.items() for embed in ((False, True) if one.embeds else (False,))]

every_way = pytest.mark.parametrize(("name", "embed"), WAYS)


def picture(style: str, colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), colour).save(buffer, style)
    return buffer.getvalue()


POSTS = [
    Post("7", 'two\nlines, "quoted"\tand a tab', ImageRef(picture("JPEG", "red")), "positive"),
    Post("3", "好的 🙂 naïve\r\nand\ralone", ImageRef(picture("PNG", "blue")), "negative"),
    Post("b c", None, ImageRef(picture("WEBP", "green")), None),
    Post('é,"x"', "\ufeffmarked", None, "neutral"),
    Post("none", None, None, None),
    Post("007", "", ImageRef(b"\xff\xd8\xff no image at all"), "positive"),
    Post("null", " a\rcarriage return", ImageRef(b""), "neutral"),
]


def destination(folder: Path, name: str) -> Path:
    return folder / f"posts{WRITERS[name].suffixes[0]}"


def write(posts: Iterable[Post], path: Path, name: str, *, embed: bool = False) -> Path:
    with start_writing(Target(path, embed=embed), name) as add:
        for post in posts:
            add(post)
    return path


def contents(posts: Iterable[Post], *, keeps_missing: bool = True) -> list[tuple[object, ...]]:
    def encoded(image: ImageRef | None) -> bytes | None:
        if image is None:
            return None
        return image.source.read_bytes() if isinstance(image.source, Path) else image.source

    return [
        (post.id, post.text if keeps_missing else post.text or "", encoded(post.image), post.label) for post in posts
    ]


def attempt(work: Callable[[], object]) -> DataError | None:
    try:
        work()
    except DataError as error:
        return error
    return None


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@every_way
@pytest.mark.parametrize(("other", "other_embed"), WAYS)
def test_posts_go_through_any_two_formats_unchanged(
    tmp_path: Path, name: str, embed: bool, other: str, other_embed: bool
) -> None:
    first, second = destination(tmp_path / "first", name), destination(tmp_path / "second", other)
    first.parent.mkdir()
    write(POSTS, first, name, embed=embed)
    done = convert(first, second, to=other, embed=other_embed)
    keeps = WRITERS[name].keeps_missing_text and WRITERS[other].keeps_missing_text
    assert contents(read_posts(second), keeps_missing=keeps) == contents(POSTS, keeps_missing=keeps)
    assert (done.posts, done.labels[None], done.labels["positive"]) == (len(POSTS), 2, 2)
    assert not +done.notes


@every_way
def test_what_is_written_is_recognised(tmp_path: Path, name: str, embed: bool) -> None:
    path = write(POSTS, destination(tmp_path, name), name, embed=embed)
    assert source_format(path) == name
    assert name in readers()


@every_way
def test_no_posts_are_a_file_too(tmp_path: Path, name: str, embed: bool) -> None:
    path = write([], destination(tmp_path, name), name, embed=embed)
    error = attempt(lambda: list(stream_posts(path)))
    assert error is None or "empty" in str(error)  # a format without a header line has nothing to be known by


@every_way
def test_a_failure_leaves_nothing(tmp_path: Path, name: str, embed: bool) -> None:
    def fail() -> Iterable[Post]:
        yield from POSTS
        raise DataError("line 9")

    with pytest.raises(DataError, match="line 9"):
        write(fail(), destination(tmp_path, name), name, embed=embed)
    assert everything(tmp_path) == []


@every_way
def test_what_is_there_stays(tmp_path: Path, name: str, embed: bool) -> None:
    path = write(POSTS, destination(tmp_path, name), name, embed=embed)
    before = {one: one.read_bytes() for one in everything(tmp_path) if one.is_file()}
    with pytest.raises(OutputError, match="posts"):
        write(POSTS[:1], path, name, embed=embed)
    assert {one: one.read_bytes() for one in everything(tmp_path) if one.is_file()} == before


@every_way
@pytest.mark.parametrize("id", ["../x", "../../x", "a/b", "/x", "..", "a\\b", "x\0", " x", "x" * 300, "ABSOLUTE"])
def test_an_id_names_no_file_elsewhere(tmp_path: Path, name: str, embed: bool, id: str) -> None:
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    hostile = [Post(id.replace("ABSOLUTE", str(tmp_path / "x")), "text", ImageRef(picture("PNG", "red")), None)]
    path = destination(inner, name)
    if error := attempt(lambda: write(hostile, path, name, embed=embed)):
        assert "cannot name files" in str(error)
        assert everything(inner) == []
    else:
        assert contents(read_posts(path)) == contents(hostile)
    assert [one for one in everything(tmp_path) if inner not in one.parents] == [tmp_path / "one", inner]


@every_way
@pytest.mark.parametrize("first", [Post("1", "a", ImageRef(b"A")), Post("1", None, None)])
def test_one_id_twice_is_kept_or_refused(tmp_path: Path, name: str, embed: bool, first: Post) -> None:
    twice = [first, Post("1", "b", ImageRef(b"B"))]
    keeps = WRITERS[name].keeps_missing_text
    path = destination(tmp_path, name)
    if error := attempt(lambda: write(twice, path, name, embed=embed)):
        assert "'1'" in str(error)
        assert everything(tmp_path) == []
    else:
        assert contents(stream_posts(path), keeps_missing=keeps) == contents(twice, keeps_missing=keeps)
