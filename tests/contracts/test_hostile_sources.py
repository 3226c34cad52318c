"""What no source may do to a reader, looped over the registry: the hostile half of the contract of readers."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_cases import CASES, NAMES, TEXTS, append, attempt, contents, every, per_example, plain, sample, within

from moodfuse.data.formats.readers import (
    read_posts,
    stream_posts,
)
from moodfuse.data.posts import Post
from moodfuse.errors import DataError

PLACE = re.compile(r"(line|row) \d+")


@every
def test_a_source_that_grows_while_it_is_read_ends(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    filler, text = ("i" * 200, None) if case.beside else ("", "x" * 2000)
    source = case.make(tmp_path, [Post(f"{i:05d}{filler}", text, None, "neutral") for i in range(200)])

    def read() -> list[Post]:
        posts = []
        for post in islice(stream_posts(source), 1000):
            posts.append(post)
            case.grow(source) if case.grow else case.add(source, f"more {len(posts)}", "neutral")
        return posts

    with within(60):
        posts = attempt(read)
    assert isinstance(posts, str) or len(posts) == 200


@every
@pytest.mark.parametrize(
    ("id", "label", "refused", "found"),
    [
        ("new", "great", True, ("new", None)),
        ("", "neutral", True, ("", "neutral")),
        ("p1", "neutral", False, ("p1", "neutral")),
    ],
    ids=["a label that is none", "no id", "an id that stands twice"],
)
def test_training_refuses_with_the_place_what_prediction_lives_with(
    tmp_path: Path, name: str, id: str, label: str, refused: bool, found: tuple[str, str | None]
) -> None:
    source, posts = sample(CASES[name], tmp_path, plain(4))
    CASES[name].add(source, id, label)
    with pytest.raises(DataError, match=PLACE) as caught:
        read_posts(source)
    assert str(source) in str(caught.value)
    strict = attempt(lambda: list(stream_posts(source)))
    assert isinstance(strict, str) == refused
    *before, last = stream_posts(source, strict=False)
    assert contents(before, CASES[name]) == contents(posts, CASES[name])
    assert (last.id, last.label) == found


BROKEN = [(name, what) for name in NAMES for what in CASES[name].broken]


@pytest.mark.parametrize(("name", "what"), BROKEN)
def test_a_broken_row_is_told_with_its_place_or_is_a_post(tmp_path: Path, name: str, what: str) -> None:
    case = CASES[name]
    source, posts = sample(case, tmp_path, plain(4))
    append(case.listing(source), case.broken[what])
    with pytest.raises(DataError, match=PLACE) as caught:
        list(stream_posts(source))
    assert str(source) in str(caught.value)
    assert len(str(caught.value)) < 500 + 2 * len(str(source))
    lenient = attempt(lambda: list(stream_posts(source, strict=False)))
    if isinstance(lenient, str):
        assert PLACE.search(lenient)
    else:
        assert len(lenient) > len(posts)
        assert [post.id for post in lenient[: len(posts)]] == [post.id for post in posts]


@every
@given(st.data())
@per_example
def test_a_damaged_source_is_posts_or_one_line_of_error(tmp_path: Path, name: str, data: st.DataObject) -> None:
    source, _ = sample(CASES[name], tmp_path / str(time.monotonic_ns()), TEXTS[:4])
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content)))
    lost, new = data.draw(st.integers(0, 30)), data.draw(st.binary(max_size=8))
    path.write_bytes(content[:at] + new + content[at + lost :])
    for strict in (True, False):
        answer = attempt(lambda strict=strict: list(stream_posts(source, format=name, strict=strict)))
        assert not isinstance(answer, str) or str(source) in answer


@settings(per_example, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(NAMES), st.sampled_from([b"", b"guid,tag,text\n", b"text\n", b"PAR1"]))
def test_any_bytes_are_posts_or_one_line_of_error(tmp_path: Path, content: bytes, name: str, header: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(header + content)
    for strict in (True, False):
        answer = attempt(lambda strict=strict: list(stream_posts(path, format=name, strict=strict)))
        assert isinstance(answer, str) or len(answer) <= content.count(b"\n") + content.count(b"\r") + 1


@pytest.mark.parametrize("name", [*NAMES, None])
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"PAR1\0\0", b"\x89PNG\r\n\x1a\n\0\0", b"{", b"a,b\n1\n", b"ID\tx\n", b"a\rb\n1"]
)
def test_what_is_no_such_source_is_told_in_one_line(tmp_path: Path, name: str | None, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for source in (path, tmp_path / "gone", tmp_path):
        answer = attempt(lambda source=source: list(stream_posts(source, format=name)))
        assert isinstance(answer, str)
        assert str(source) in answer


@pytest.mark.parametrize("image", ["a" * 5000 + "/b.png", "a\nb/c.png", "a\0/b.png"])
def test_a_name_that_no_file_can_have_is_told_in_a_line(tmp_path: Path, image: str) -> None:
    source = tmp_path / "posts.jsonl"
    source.write_text(json.dumps({"id": "1", "image": image, "label": "neutral"}) + "\n")
    with pytest.raises(DataError, match="none of the images that it names is there") as told:
        list(stream_posts(source))
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 1500


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


@every
@pytest.mark.parametrize("put", [pipe, device, folder, loop])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str, put: Callable[[Path], None]) -> None:
    case = CASES[name]
    source, posts = sample(case, tmp_path, plain(4))
    listing = case.listing(source)
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.unlink()
        put(path)
        for strict in (True, False):
            for format in (name, None):
                with within(5):
                    answer = attempt(lambda s=strict, f=format: list(stream_posts(source, format=f, strict=s)))
                if path.suffix == listing.suffix and "data" not in path.parts:
                    assert isinstance(answer, str) or (put is folder and source.is_dir()), path
                elif not strict:
                    assert [post.id for post in answer] == [post.id for post in posts], path  # type: ignore[union-attr]
        path.rmdir() if put is folder else path.unlink()
        path.write_bytes(content)
    assert contents(stream_posts(source), case) == contents(posts, case)


OPENED: list[str] | None = None


def note(event: str, arguments: tuple[Any, ...]) -> None:
    if OPENED is not None and event in ("open", "os.listdir", "os.scandir"):
        OPENED.append(os.fspath(arguments[0]) if isinstance(arguments[0], str | Path) else str(arguments[0]))


sys.addaudithook(note)


@every
@pytest.mark.parametrize("id", ["../secret", "../../secret", "..\\secret", "ABSOLUTE", "..", ".", "x\0", "~/secret"])
def test_an_id_opens_nothing_outside_its_folder(tmp_path: Path, name: str, id: str) -> None:
    global OPENED
    inner = tmp_path / "one" / "two"
    source, posts = sample(CASES[name], inner, plain(4))
    for place in (tmp_path, tmp_path / "one", inner):
        for suffix in (".txt", ".jpg", ""):
            (place / f"secret{suffix}").write_text("secret")
    CASES[name].add(source, id.replace("ABSOLUTE", str(tmp_path / "secret")), "neutral")
    list(stream_posts(source, strict=False))  # what is imported meanwhile is no matter
    home = source if source.is_dir() else inner
    before = sorted(home.rglob("*"))
    OPENED = []
    try:
        *_, last = stream_posts(source, strict=False)
    finally:
        opened, OPENED = OPENED, None
    assert opened
    assert all(Path(os.path.realpath(path)).is_relative_to(os.path.realpath(home)) for path in opened), opened
    assert last.image is None
    assert "secret" not in (last.text or "")
    assert len(list(stream_posts(source, strict=False))) == len(posts) + 1
    assert sorted(home.rglob("*")) == before
