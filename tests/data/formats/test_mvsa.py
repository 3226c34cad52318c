from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from moodfuse.data.formats.readers import count_posts, read_posts, source_format, stream_posts
from moodfuse.data.formats.registry import writers
from moodfuse.data.posts import ImageRef
from moodfuse.errors import DataError
from moodfuse.labels import Labels, merge_annotations
from moodfuse.workflows.conversion import convert

SINGLE = "ID\ttext,image\n1\tpositive,positive\n2\tpositive,negative\n3\tneutral,negative\n4\tneutral,neutral\n"
POLES = "text and image of opposite sentiment"
SPLIT = "annotators who do not agree"

JPEG = b"\xff\xd8\xff"  # how such a file begins


def mvsa(folder: Path, listing: str) -> Path:
    (folder / "data").mkdir()
    (folder / "labelResultAll.txt").write_text(listing)
    for id in "1234":
        (folder / "data" / f"{id}.txt").write_bytes(f"post {id}: caf\xe9 \n".encode("latin-1"))
        (folder / "data" / f"{id}.jpg").write_bytes(JPEG + id.encode())
    return folder


def error_of(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read_posts(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The merge rule


def test_every_pair_of_one_annotator() -> None:
    names = ("negative", "neutral", "positive")
    merged = {pair: merge_annotations([pair], "here")[0] for pair in product(names, names)}
    assert merged == {
        ("negative", "negative"): "negative",
        ("neutral", "neutral"): "neutral",
        ("positive", "positive"): "positive",
        ("neutral", "negative"): "negative",
        ("negative", "neutral"): "negative",
        ("neutral", "positive"): "positive",
        ("positive", "neutral"): "positive",
        ("positive", "negative"): None,
        ("negative", "positive"): None,
    }


@pytest.mark.parametrize(
    ("texts", "images", "expected"),
    [
        ("+++", "+++", "positive"),
        ("++-", "0++", "positive"),  # an outvoted annotator does not count
        ("+0+", "00-", "positive"),  # the vote comes first, then neutral gives way
        ("--0", "++0", POLES),
        ("+0-", "+++", SPLIT),  # no majority for the text, whatever the image
        ("+++", "-0+", SPLIT),
        ("000", "0-0", "neutral"),
    ],
)
def test_three_annotators_vote_for_each_modality(texts: str, images: str, expected: str) -> None:
    names = {"+": "positive", "0": "neutral", "-": "negative"}
    annotations = [(names[text], names[image]) for text, image in zip(texts, images, strict=True)]
    assert expected in merge_annotations(annotations, "here")
    assert None in merge_annotations(annotations, "here")


# The reader


def test_mvsa_single(tmp_path: Path) -> None:
    path = mvsa(tmp_path, SINGLE)
    assert source_format(path) == source_format(path / "labelResultAll.txt") == "mvsa"
    posts = read_posts(path)
    assert [(post.id, post.label) for post in posts] == [("1", "positive"), ("3", "negative"), ("4", "neutral")]
    assert posts[1].image == ImageRef(tmp_path / "data/3.jpg")
    assert posts[1].text == "post 3: café \n"
    assert posts.dropped == {POLES: 1}
    assert count_posts(path) == 4
    assert read_posts(path / "labelResultAll.txt").ids == posts.ids


def test_mvsa_multiple(tmp_path: Path) -> None:
    path = mvsa(
        tmp_path,
        "ID\ttext,image\ttext,image\ttext,image\r\n"
        "1\tpositive,positive\tpositive,neutral\tneutral,neutral\r\n"
        "2\tpositive,neutral\tneutral,neutral\tnegative,neutral\r\n"
        "3\tpositive,negative\tpositive,negative\tpositive,negative\r\n"
        "4\tnegative,negative\tnegative,negative\tpositive,positive\r\n",
    )
    posts = read_posts(path)
    assert [(post.id, post.label) for post in posts] == [("1", "positive"), ("4", "negative")]
    assert posts.dropped == {POLES: 1, SPLIT: 1}


def test_every_post_is_predicted(tmp_path: Path) -> None:
    posts = stream_posts(mvsa(tmp_path, SINGLE + "5\tgreat,positive\n"), part="predict", strict=False)
    assert [(post.id, post.label) for post in posts] == [
        ("1", "positive"),
        ("2", None),
        ("3", "negative"),
        ("4", "neutral"),
        ("5", None),
    ]
    assert not posts.dropped


@pytest.mark.parametrize("name", writers())
def test_any_format_can_be_made_of_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "mvsa").mkdir()
    path = mvsa(tmp_path / "mvsa", SINGLE)
    done = convert(path, tmp_path / f"out{writers()[name].suffixes[0]}")
    assert (done.posts, done.dropped) == (3, {POLES: 1})
    posts = read_posts(tmp_path / f"out{writers()[name].suffixes[0]}")
    assert [(post.id, post.text, post.label) for post in posts] == [
        (post.id, post.text, post.label) for post in read_posts(path)
    ]
    assert [post.image.source.read_bytes() for post in posts] == [JPEG + id for id in (b"1", b"3", b"4")]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("5\tpositive", ["expected an id and 1 text,image"]),
        ("5", ["found []"]),
        ("5\tpositive,positive\tneutral,neutral", ["1 text,image"]),
        ("5\tpositive,positive,positive", ["1 text,image"]),
        ("5\tpositiv,positive", ["'positiv'", "did you mean positive"]),
        ("5\t,positive", ["expected a label for text and image"]),
        ("\tpositive,positive", ["id is empty"]),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, row: str, parts: list[str]) -> None:
    message = error_of(mvsa(tmp_path, SINGLE + row + "\n"))
    for part in ["labelResultAll.txt line 6", *parts]:
        assert part in message


def test_other_labels_are_refused(tmp_path: Path) -> None:
    message = error_of(mvsa(tmp_path, SINGLE), labels=Labels(("negative", "positive")))
    assert "the labels of this format are negative, neutral, positive" in message


def test_another_header_is_refused(tmp_path: Path) -> None:
    assert "expected the header ID" in error_of(mvsa(tmp_path, "1\tpositive,positive\n"))


def test_a_table_whose_column_is_text_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("ID\ttext\timage\n1\ta\t\n")
    assert source_format(path) == "tsv"
