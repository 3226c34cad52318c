"""The labels of a review as a table that training, `adapt` and other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moodfuse.data.formats.columns import rank_of
from moodfuse.data.posts import ImageRef
from moodfuse.decide.answered_posts import AnswerSource
from moodfuse.decide.review import ReviewedPost, ReviewSession
from moodfuse.runtime.values import cell, whole

#: What stands behind the columns of the posts.
COLUMNS = ("label", "drawn", "labelled_by", "note")
#: What stands before the name of a column that would be taken for one of these.
_BEFORE = "original_"


def labelled_rows(
    review: ReviewSession, source: AnswerSource, paths_of: Callable[[Iterable[ImageRef]], list[str]]
) -> list[dict[str, str]]:
    """Return a row for each post of a review that has a label, in the order of the answers.

    First the posts' own columns, with `text` and `image` where they have none of these, then `label`, `drawn` (random
    or queue), `labelled_by` and `note`. `paths_of` says how images are named from where the table will lie. Posts on
    which people differ are left out.
    """
    given, notes = review.given(), review.store.notes()
    rows = []
    for row, post in sorted(review.by_row.items()):
        labels = given.get(row)
        if labels is None or labels.label is None:
            continue
        said = notes.get(row, {})
        note = next(iter(said.values())) if len(said) == 1 else "; ".join(f"{who}: {one}" for who, one in said.items())
        ours = (labels.label, post.drawn, "|".join(labels.people), note)
        values = _own(post, source, paths_of) | dict(zip(COLUMNS, ours, strict=True))
        rows.append({name: whole(cell(value)) for name, value in values.items()})
    return rows


def _own(
    post: ReviewedPost, source: AnswerSource, paths_of: Callable[[Iterable[ImageRef]], list[str]]
) -> dict[str, Any]:
    """Return the values of the post's own columns."""
    found, fields = post.answered.post, post.answered.post.fields or {}
    values = {name: fields.get(name) for name in source.columns}
    text, images = source.roles.get("text"), source.roles.get("image")
    if not text:
        values["text"] = found.text
    if found.images or images:
        first, *more = images or ["image"]
        values |= {first: ";".join(paths_of(found.images)), **dict.fromkeys(more, "")}
    elif source.beside:
        values["image"] = ""
    return {_renamed(name): value for name, value in values.items()}


def _renamed(name: str) -> str:
    """Return the name of a post's column, another one where it would be taken for a label or for what we add."""
    taken = name.strip().lower() in COLUMNS or (rank_of(name) or ("", 1)) == ("label", 0)
    return _BEFORE + name if taken else name
