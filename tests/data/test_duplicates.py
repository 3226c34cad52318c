from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from moodfuse.data.duplicates import (
    Fingerprint,
    Groups,
    gather,
    group_duplicates,
    known,
    normalise,
    straddling,
)
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import ImageRef, Post, Posts


def scene(seed: int, *, side: int = 200, quality: int = 90, flat: int | None = None) -> bytes:
    """A JPEG of random soft shapes; the same seed is the same picture at any side and quality."""
    if flat is None:
        coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    else:
        image = Image.new("RGB", (side, side), (flat, flat, flat))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return file.getvalue()


def grouped(*texts: str | None) -> list[int]:
    return list(group_duplicates(Posts(Post(str(i), text) for i, text in enumerate(texts))).group_of.values())


def pictured(*images: bytes) -> list[int]:
    return list(
        group_duplicates(Posts(Post(str(i), None, ImageRef(data)) for i, data in enumerate(images))).group_of.values()
    )


def test_cleaning_takes_off_what_retweeting_adds() -> None:
    assert normalise("RT @Anna_9: So HAPPY,  today!! https://t.co/x1 #joy www.a.org") == "so happy today joy"


def test_the_same_text_in_other_clothes_is_one_group() -> None:
    assert grouped("RT @a: Such a GREAT day! http://t.co/1", "such a great day", "a different thing entirely") == [
        0,
        0,
        1,
    ]


def test_a_text_with_a_letter_changed_is_near_enough_and_one_with_a_word_changed_is_not() -> None:
    assert grouped(
        "the quick brown fox jumps over it", "the quick brown fox jumped over it", "the quick brown cat sleeps over it"
    ) == [0, 0, 1]


@pytest.mark.parametrize("text", ["good morning", "", "@a http://t.co/x", "!!! ...", "早安"])
def test_texts_under_three_words_never_group(text: str) -> None:
    assert grouped(text, text) == [0, 1]


def test_languages_without_blanks_have_words_too() -> None:
    assert grouped("今天的天气真好", "今天的天气真好!", None, None) == [0, 0, 1, 2]


def test_groups_do_not_chain() -> None:
    # Each text differs from the next in two letters of twenty: near its neighbours, far from the rest.
    chain = ["aa bb cc dd ee ff gg"]
    for old in "abcdefg":
        chain.append(chain[-1].replace(old, "x"))
    groups = grouped(*chain)
    assert groups == [0, 0, 1, 1, 2, 2, 3, 3]
    assert groups[0] == groups[1]  # 0.9 alike
    assert groups[0] != groups[2]  # 0.8 alike, though near a neighbour of the first


def test_a_picture_saved_smaller_and_worse_is_the_same_picture() -> None:
    assert pictured(scene(1), scene(1, side=120, quality=40), scene(2), scene(3), scene(2)) == [0, 0, 1, 2, 1]


def test_flat_pictures_group_by_identical_bytes_only() -> None:
    assert pictured(scene(0, flat=250), scene(0, flat=10), scene(0, flat=250, side=90), scene(0, flat=10)) == [
        0,
        1,
        2,
        1,
    ]


def test_unreadable_and_missing_images_never_group(tmp_path: Path) -> None:
    broken, absent = ImageRef(b"\xff\xd8\xffnot an image"), ImageRef(tmp_path / "none.jpg")
    posts = Posts([Post(str(i), None, ref) for i, ref in enumerate([broken, broken, absent, absent, None, None])])
    groups = group_duplicates(posts)
    assert len(groups) == 6
    assert groups.by_image == {}


def test_sharing_a_text_here_and_an_image_there_joins_all_three() -> None:
    posts = Posts(
        [
            Post("a", "one text that is written here", ImageRef(scene(1))),
            Post("b", "something else altogether, you see", ImageRef(scene(2))),
            Post("c", "one text that is written here", ImageRef(scene(2))),
            Post("d", "nothing in common with the others", ImageRef(scene(4))),
        ]
    )
    groups = group_duplicates(posts)
    assert groups.group_of == {"a": 0, "b": 0, "c": 0, "d": 1}
    assert gather(posts.ids, groups.group_of) == [("a", "b", "c")]
    assert len(groups) == 2


def test_no_posts_have_no_groups() -> None:
    assert len(group_duplicates(Posts([]))) == 0


def test_progress_counts_the_images() -> None:
    told: list[tuple[int, int]] = []
    posts = Posts([Post("a", "x"), *(Post(str(i), None, ImageRef(scene(i))) for i in range(3))])
    group_duplicates(posts, progress=lambda _what, done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4), max_size=12))
def test_posts_that_share_any_image_have_the_group_of_the_first(images: list[list[int]]) -> None:
    posts = Posts(Post(str(i)) for i in range(len(images)))
    found = {str(i): [Fingerprint(bytes([image]), None) for image in held] for i, held in enumerate(images)}
    groups = group_duplicates(posts, fingerprints=found).by_image
    order = list(dict.fromkeys(image for held in images for image in held))
    joined = {image: {image} for image in order}
    for held in images:
        union = set().union(*(joined[image] for image in held))
        joined |= dict.fromkeys(union, union)
    assert groups == {str(i): min(map(order.index, joined[held[0]])) for i, held in enumerate(images)}


def test_straddling_names_the_groups_that_a_split_parts() -> None:
    groups = Groups({"a": 0, "b": 0, "c": 1, "d": 1, "e": 1, "f": 2}, {}, {})
    parts = {"a": "train", "b": "train", "c": "train", "d": "test", "e": "test", "f": "test"}
    assert straddling(groups, parts) == [["c", "d", "e"]]
    assert straddling(groups, {"c": 0, "a": 1}) == []


@given(st.lists(st.text("abc ", max_size=12), max_size=12))
def test_equal_texts_always_meet(texts: list[str]) -> None:
    groups = grouped(*texts)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts[:i]):
            if normalise(one) == normalise(other) and len(normalise(one).split()) >= 3:
                assert groups[i] == groups[j]


def test_real_posts_have_duplicates_but_no_chains(posts_folder: Path) -> None:
    posts = read_posts(posts_folder)[:1500]
    start = time.perf_counter()
    groups = group_duplicates(posts)
    assert time.perf_counter() - start < 20  # seconds; 3 on two idle cores
    assert list(groups.group_of) == posts.ids
    assert 0.9 < len(groups) / len(posts) < 0.995
    assert len(gather(posts.ids, groups.group_of)[0]) < 30
    for shared in (groups.by_text, groups.by_image):
        assert len(shared) - len(set(shared.values())) > 5


def test_marks_tell_the_near_duplicates_of_posts_that_are_not_there() -> None:
    seen = group_duplicates(
        Posts(
            [
                Post("text", "Such a great day! http://t.co/1"),
                Post("image", None, ImageRef(scene(1))),
                Post("flat", None, ImageRef(scene(0, flat=200))),
                Post("short", "good morning"),
            ]
        )
    ).marks
    others = Posts(
        [
            Post("same text", "RT @a: such a GREAT day ..."),
            Post("saved again", "something else entirely", ImageRef(scene(1, side=150, quality=60))),
            Post("same bytes", None, ImageRef(scene(0, flat=200))),
            Post("another flat one", None, ImageRef(scene(0, flat=190))),
            Post("another image", "a different thing entirely", ImageRef(scene(2))),
            Post("short too", "good morning"),
            Post("nothing", None),
        ]
    )
    kept = [mark for marks in seen.values() for mark in marks]
    assert known(group_duplicates(others).marks, kept) == {"same text", "saved again", "same bytes"}
    assert known(group_duplicates(others).marks, []) == set()
    assert known({}, kept) == set()


def test_marks_survive_saving(tmp_path: Path) -> None:
    groups = group_duplicates(Posts([Post("0", "such a great day", ImageRef(scene(3)))]))
    groups.save(tmp_path / "groups.json")
    assert Groups.load(tmp_path / "groups.json") == groups
