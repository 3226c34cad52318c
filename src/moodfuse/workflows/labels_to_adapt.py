"""Where the labels stand that a head is adapted to: in a column of the posts, or in the review of a file of answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import PREDICTING, Reading
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import ImageUri, Posts
from moodfuse.decide.answers import Question, read_answers
from moodfuse.errors import DataError
from moodfuse.progress import Notify, Progress
from moodfuse.workflows.chosen_posts import DRAWN
from moodfuse.workflows.reviewing import ReviewOptions, open_review, store_path, user_name


def posts_to_adapt(source: Any, reading: Reading, notify: Notify, progress: Progress) -> Posts:
    """Return the posts of a source with their labels: of a file of answers those of its review.

    Raises `DataError` for answers without a review whose labels are the model's own.
    """
    if isinstance(source, str | Path) and store_path(Path(source)).is_file():
        posts = _reviewed(Path(source), reading, progress)
        notify(f"{len(posts):,} labels of the review in {store_path(Path(source)).name}")
        if lost := sum(isinstance(path, Path) and not path.exists() for path in _images(posts)):
            notify(
                f"{lost:,} of their images were not found: moodfuse review ANSWERS --images FOLDER --export labels.csv"
            )
        return posts
    posts = read_posts(source, reading)
    if len(labelled := posts.labelled()) and labelled.labels == _answered(labelled, reading):
        raise DataError(
            f"{posts.source}: every label is the answer that a model gave, so it cannot teach; label posts first "
            "(moodfuse review ANSWERS), or name the column with people's labels (--columns label=NAME)"
        )
    return posts


def _reviewed(answers: Path, reading: Reading, progress: Progress) -> Posts:
    """Return the posts that have a label in a review, and how each was drawn."""
    how = replace(reading, part=PREDICTING.part, strict=PREDICTING.strict)
    posts = []
    with open_review(answers, ReviewOptions(user_name()), begin=False, reading=how, progress=progress) as opened:
        given = opened.review.given()
        for row, reviewed in sorted(opened.review.by_row.items()):
            if row in given and given[row].label is not None:
                fields = {**(reviewed.answered.post.fields or {}), DRAWN: reviewed.drawn}
                posts.append(replace(reviewed.answered.post, label=given[row].label, fields=fields))
    return Posts(posts, source=str(answers))


def _images(posts: Posts) -> list[Path | bytes]:
    return [post.image.source for post in posts if post.image and not isinstance(post.image, ImageUri)]


def _answered(posts: Posts, reading: Reading) -> list[str] | None:
    """Return the answers that stand beside posts; `None` where there are none."""
    try:
        table = read_answers(iter(posts), Question(columns=reading.columns), posts.source)
    except DataError:
        return None
    return [table.labels[best] for best in table.probabilities.argmax(1)]
