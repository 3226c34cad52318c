from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from moodfuse.data.digests import data_sha256, post_digest, post_digests
from moodfuse.data.images import image_bytes
from moodfuse.data.posts import ImageRef, Post, Posts


def hostile(folder: Path) -> list[ImageRef]:
    """Images that are none: a pipe nobody writes to, a device without end, a folder, a loop, a name no file has."""
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    return [ImageRef(folder / f"{name}.jpg") for name in ("pipe", "zero", "folder", "loop", "gone", "x\0")]


def in_time(work: object) -> object:
    """Return what `work` does, in a thread that a pipe may hold for ever."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)  # type: ignore[operator]
    thread.start()
    thread.join(10)
    assert answers, "still reading"
    return answers[0]


def test_the_bytes_of_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"J")
    assert image_bytes(ImageRef(tmp_path / "a.jpg")) == image_bytes(ImageRef(b"J")) == b"J"
    assert image_bytes(None) is None
    assert in_time(lambda: [image_bytes(ref) for ref in hostile(tmp_path)]) == [None] * 6


def test_an_image_over_the_cap_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "giant.jpg").open("wb") as file:
        file.truncate(2**40)  # of holes
    assert image_bytes(ImageRef(tmp_path / "giant.jpg")) is None


def test_a_digest_is_the_same_for_ever() -> None:
    assert post_digest("good", b"J") == "47afc41f63fadba7"
    assert post_digest(" good\n", None) == post_digest("good", b"") == "533adccfd4f4e9e2"
    assert post_digest(None, None) == post_digest("", b"") == "5250a507f994740e"


def test_an_image_that_may_not_be_read_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"J")
    refs = [ImageRef(tmp_path / "a.jpg"), *hostile(tmp_path)]
    posts = Posts(Post(str(i), "good", ref, "positive") for i, ref in enumerate(refs))
    digests = in_time(lambda: post_digests(posts))
    assert isinstance(digests, dict)
    assert [digests[id] for id in posts.ids] == [post_digest("good", b"J")] + [post_digest("good", None)] * 6


@pytest.mark.parametrize("part", ["label", "order", "extra"])
def test_the_hash_of_a_data_set_depends_on_all_of_it(part: str) -> None:
    posts = Posts([Post("1", "a", None, "positive"), Post("2", "b", None, "negative")])
    other = {
        "label": Posts([Post("1", "a", None, "neutral"), posts[1]]),
        "order": posts.subset(["2", "1"]),
        "extra": posts,
    }[part]
    before = data_sha256(posts, post_digests(posts))
    assert data_sha256(other, post_digests(other), "x" if part == "extra" else "") != before
    assert data_sha256(posts, post_digests(posts)) == before
