from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, astuple, fields, replace
from pathlib import Path

import pytest

from moodfuse.data.posts import ImageRef, Post, post_of

POST = Post(
    "7", "hi", ImageRef(b"a"), "neutral", "gb18030", True, True, (ImageRef(Path("b.jpg")),), {"id": "7", "says": "hi"}
)


def test_a_post_of_values_is_a_post() -> None:
    made = post_of(*(getattr(POST, one.name) for one in fields(Post)))
    assert type(made) is Post
    assert made == POST
    assert pickle.loads(pickle.dumps(made)) == POST  # noqa: S301
    assert replace(made, text="ho").text == "ho"
    assert astuple(made) == astuple(POST)
    with pytest.raises(FrozenInstanceError):
        made.text = "no"  # type: ignore[misc]


def test_a_post_of_too_few_values_is_refused() -> None:
    with pytest.raises(TypeError):
        post_of("7", "hi")


def test_a_modality_alone_keeps_nothing_of_the_other() -> None:
    assert POST.only("text").images == ()
    assert POST.only("image").text is None
    assert not POST.only("image").guessed
    assert POST.only(None) is POST
    assert POST.images == (ImageRef(b"a"), ImageRef(Path("b.jpg")))
