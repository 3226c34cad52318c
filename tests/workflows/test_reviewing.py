"""A review from a file of answers to a file of labels: it begins, goes on, settles, and says what it found."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from answer_files import drawn, predicted_file, prediction, write
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Status
from moodfuse.decide.review import Accuracy, ReviewSession
from moodfuse.decide.review_words import lines
from moodfuse.errors import BundleError, ConfigError, DataError
from moodfuse.labels import SENTIMENT
from moodfuse.runtime.bundle import default_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import predict_source
from moodfuse.workflows.reviewing import ReviewOptions, export_labels, open_review, store_path


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return predicted_file(tmp_path_factory.mktemp("predicted"))


@pytest.fixture
def answers(predicted: Path, tmp_path: Path) -> Path:
    """Answers to 16 posts, without a review."""
    return Path(shutil.copytree(predicted.parent, tmp_path / "answered")) / predicted.name


@contextmanager
def reviewing(answers: Path, person: str = "ann", **how: object) -> Iterator[ReviewSession]:
    session = {"budget": 10, "share": 0.3} | how if not store_path(answers).exists() else how
    with open_review(answers, ReviewOptions(person, **session)) as opened:  # type: ignore[arg-type]
        yield opened.review


def label_all(review: ReviewSession, label: str, count: int = 99) -> None:
    for post in review.posts[:count]:
        review.label(post.row, label)


def test_it_begins_goes_on_and_grows(answers: Path) -> None:
    with reviewing(answers) as review:
        rows = [post.row for post in review.posts]
        assert len(set(rows)) == 10
        assert sum(post.drawn == "random" for post in review.posts) == 3
        label_all(review, "positive", 4)
    with reviewing(answers) as review:
        assert [post.row for post in review.posts] == rows
        assert review.own() == dict.fromkeys(rows[:4], "positive")
        assert (review.standing().done, review.standing().total) == (4, 10)
    with reviewing(answers, budget=14) as review:
        assert [post.row for post in review.posts][:10] == rows
        assert len(review.posts) == 14
    with reviewing(answers, budget=5) as review:
        assert len(review.posts) == 14
    with reviewing(answers, budget=14, share=0.3) as review:  # the same command goes on
        assert len(review.posts) == 14
    with (
        pytest.raises(ConfigError, match=r"--random-share: expected 0.3, .*: --budget 28"),
        reviewing(answers, share=0.5),
    ):
        pass


def test_near_duplicates_are_shown_once(tmp_path: Path) -> None:
    fields = [
        {"text": f"the same words again {'and again' if at < 6 else 'number ' + 'abcdefgh'[at % 8] * 9}"}
        for at in range(12)
    ]
    path = write(
        tmp_path / "a.csv", [prediction(str(at), p) for at, p in enumerate(drawn(12, (0.3, 0.3, 0.4)))], fields
    )
    with reviewing(path, budget=12, share=0.0) as review:
        texts = [post.answered.post.text for post in review.posts]
    assert len(texts) == len(set(texts)) == 7


def test_what_several_people_say_is_compared_settled_and_written(answers: Path, tmp_path: Path) -> None:
    with reviewing(answers) as review:
        label_all(review, "positive")
        review.note(review.posts[0].row, 'irony, "perhaps"')
    with reviewing(answers, "bob") as review:
        assert review.own() == {}
        label_all(review, "positive", 6)
        for post in review.posts[6:8]:
            review.label(post.row, "neutral")
        review.skip(review.posts[8].row)
        standing = review.standing()
        assert (standing.shared, standing.differing, standing.skipped) == (8, 2, 1)
        assert standing.people == {"ann": 10, "bob": 8}
        # alpha by hand: 16 values, 2 neutral, two units of two that differ
        assert standing.alpha == pytest.approx(1 - 15 * 2 * 2 / (16 * 16 - 14 * 14 - 2 * 2))
    with open_review(answers, ReviewOptions("cid")) as opened:
        assert export_labels(opened, tmp_path / "before.csv") == (8, 2)
    with reviewing(answers, "cid", settling=True) as review:
        assert len(review.posts) == 2
        review.label(review.posts[0].row, "negative")
        assert review.standing().differing == 1
        settled = review.by_row[review.posts[0].row].answered.post.id
    with open_review(answers, ReviewOptions("cid")) as opened:
        assert export_labels(opened, tmp_path / "labels.csv") == (9, 1)
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "labels.csv").open(encoding="utf-8"))}
    assert (rows[settled]["label"], rows[settled]["labelled_by"]) == ("negative", "cid")
    assert sorted(row["labelled_by"] for row in rows.values()) == ["ann", "ann", *["ann|bob"] * 6, "cid"]
    assert {row["note"] for row in rows.values()} == {"", 'irony, "perhaps"'}


def test_the_table_of_labels_is_a_table_of_posts(answers: Path, tmp_path: Path) -> None:
    output = tmp_path / "elsewhere" / "labels.csv"
    output.parent.mkdir()
    with open_review(answers, ReviewOptions("ann", budget=16, share=0.25)) as opened:
        label_all(opened.review, "neutral")
        export_labels(opened, output)
    header, *_ = csv.reader(output.open(encoding="utf-8"))
    assert header == ["id", "text", "image", "original_sentiment", "label", "drawn", "labelled_by", "note"]
    there = {post.id: post for post in read_posts(answers.parent / "posts.csv", strict=False)}
    found = read_posts(output)
    assert [post.id for post in found] == [id for id in there if id in set(found.ids)]
    assert set(found.labels) == {"neutral"}
    for post in found:
        assert post.text == there[post.id].text
        assert (post.image is None) == (there[post.id].image is None)
        assert post.image is None or Path(str(post.image.source)).is_file()
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert sum(row["drawn"] == "random" for row in rows) == 4
    assert {row["drawn"] for row in rows} == {"random", "queue"}


def test_it_tells_how_right_the_model_is_from_the_random_part_alone(answers: Path) -> None:
    with reviewing(answers, budget=16, share=0.25) as review:
        for post in review.posts:
            wrong = next(label for label in SENTIMENT.names if label != post.predicted)
            review.label(post.row, post.predicted if post.drawn == "random" else wrong)
        assert review.standing().accuracy == Accuracy(4, 4)
        told = "\n".join(lines(review, "answers.csv", 4))
    assert "on your posts: accuracy 1.00 (0.51 to 1.00, from 4 drawn at random)" in told


def test_the_interval_is_wilsons_and_it_says_how_many_more_would_halve_it() -> None:
    accuracy = Accuracy(16, 20)
    assert accuracy.words() == "on your posts: accuracy 0.80 (0.58 to 0.92, from 20 drawn at random)"
    low, high = accuracy.interval
    new = Accuracy(round(0.8 * (20 + accuracy.needed)), 20 + accuracy.needed).interval
    assert (new[1] - new[0]) == pytest.approx((high - low) / 2, abs=0.005)


def test_a_post_of_which_nothing_was_read_is_not_shown(tmp_path: Path) -> None:
    fields = [{"text": f"words that are number {'abcdefgh'[at] * 5}"} for at in range(8)]
    nothing = (Status.NOTHING_TO_READ,)
    answered = [prediction(str(at), (0.4, 0.3, 0.3), nothing if at < 3 else (Status.OK,)) for at in range(8)]
    with reviewing(write(tmp_path / "a.jsonl", answered, fields)) as review:
        assert sorted(post.row for post in review.posts) == [3, 4, 5, 6, 7]


def test_an_object_may_lack_what_others_have(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image, but a file")
    answered = [prediction(str(at), (0.4, 0.3, 0.3)) for at in range(2)]
    path = write(
        tmp_path / "a.jsonl", answered, [{"text": "one has words"}, {"text": "two has words", "image": "a.png"}]
    )
    first, second = path.read_text("utf-8").splitlines()
    path.write_text(first + "\n" + second[:-1] + ', "image": "a.png"}\n', "utf-8")
    with open_review(path, ReviewOptions("ann")) as opened:
        label_all(opened.review, "neutral")
        export_labels(opened, tmp_path / "labels.csv")
    rows = list(csv.DictReader((tmp_path / "labels.csv").open(encoding="utf-8")))
    assert [row["image"] for row in rows] == ["", "a.png"]


def test_the_folder_of_guid_tag_posts_is_named(tmp_path: Path, synthetic_folder: Path) -> None:
    answers = tmp_path / "test.txt"
    predict_source(Predictor.load(threads=1), synthetic_folder, answers)
    with pytest.raises(DataError, match="--images FOLDER"), reviewing(answers):
        pass
    with open_review(answers, ReviewOptions("ann", images=synthetic_folder)) as opened:
        assert {post.answered.post.text is None for post in opened.review.posts} == {False}
        label_all(opened.review, "neutral")
        export_labels(opened, tmp_path / "labels.csv")
    assert len(read_posts(tmp_path / "labels.csv").labelled()) == len(opened.review.posts) > 9


def test_other_posts_than_before_are_refused_and_the_labels_are_kept(answers: Path) -> None:
    with reviewing(answers) as review:
        label_all(review, "neutral")
    before = answers.read_text("utf-8")
    first, *rest = before.splitlines(keepends=True)
    answers.write_text("".join([first, *reversed(rest)]), "utf-8")
    with (
        pytest.raises(DataError, match=r"holds other posts .* move answers.csv.review.sqlite away"),
        reviewing(answers),
    ):
        pass
    answers.write_text("".join([first, *rest[:-1]]), "utf-8")
    with pytest.raises(DataError, match="16 posts"), reviewing(answers):
        pass
    answers.write_text(before, "utf-8")
    with reviewing(answers) as review:
        assert review.standing().done == 10


def test_bad_input_is_a_line_and_leaves_nothing_behind(tmp_path: Path, answers: Path) -> None:
    posts = answers.parent / "posts.csv"
    with pytest.raises(DataError, match="expected the probabilities"), reviewing(posts):
        pass
    path = write(tmp_path / "other.csv", [prediction("1", (0.51, 0.25, 0.24))], [{"text": "some words here"}])
    named = default_bundle()
    with pytest.raises(BundleError, match="did not give the answers"), reviewing(path, bundle=named):
        pass
    nobody = ReviewOptions("ann")
    with pytest.raises(DataError, match="found none"), open_review(answers, nobody, begin=False):
        pass
    assert not store_path(posts).exists()
    assert not store_path(path).exists()
    assert not store_path(answers).exists()
    with reviewing(answers) as review:
        with pytest.raises(DataError, match="unknown label 'sad'"):
            review.label(review.posts[0].row, "sad")
        with pytest.raises(DataError, match="found row 99"):
            review.skip(99)
        with pytest.raises(DataError, match="5,000 characters"):
            review.note(review.posts[0].row, "x" * 5001)
        assert review.store.labels() == []
