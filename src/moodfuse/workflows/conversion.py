"""Convert: posts of any source into any format, row for row."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import TRAINING, Part, Reading, Target
from moodfuse.data.formats.readers import count_posts, stream_posts
from moodfuse.data.formats.registry import format_name, writers
from moodfuse.data.formats.writers import destination_format, start_writing
from moodfuse.data.posts import Post
from moodfuse.decide.answer_columns import AnswerColumns, find_answer, number
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT, Labels
from moodfuse.progress import Progress, mute, silent
from moodfuse.workflows.destination import check_destinations

_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACED = "text with characters that UTF-8 does not have: replaced"
_LOSSY = "text with bytes of no known encoding: replaced"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written, and what there is to tell of it."""

    format: str
    posts: int = 0
    #: Posts by label; `None` counts those without.
    labels: Counter[str | None] = field(default_factory=Counter)
    #: Posts that the source's format leaves out by a rule of its own, by reason.
    dropped: Counter[str] = field(default_factory=Counter)
    #: Other things of note, with how many posts they concern.
    notes: Counter[str] = field(default_factory=Counter)


def convert(
    source: Any,
    destination: str | Path,
    *,
    to: str | None = None,
    reading: Reading = TRAINING,
    part: Part = "train",
    labels: Labels = SENTIMENT,
    embed: bool = False,
    force: bool = False,
    outside: bool = False,
    progress: Progress = silent,
) -> Conversion:
    """Write the posts of a path or an object as another format, in order; memory does not grow with their number.

    `reading` says how `source` is read. `to` is the format written, by default what the name of `destination` says.
    A guid,tag folder gets copies of the images; the others get paths to where they are, or with `embed` the images
    themselves; of a source on disk only those within its folder, unless `outside` is set, and only what is an image by
    its first bytes. The bytes of an image never change; a text comes out as UTF-8. Whatever goes wrong, nothing half-
    written is left. Where the posts are answers of `moodfuse predict`, a format that keeps a model's answers beside
    labels gets them so. Raises `DataError` for the source, `ConfigError` for what the format cannot do, `OutputError`
    where something is at `destination`: a file is written over with `force` alone, the input never.
    """
    destination = Path(destination)
    to = format_name(to) if to else destination_format(destination)
    notes, found = Counter[str](), Counter[str | None]()
    reading = replace(reading, labels=labels, part=part)
    answered = _answer_columns(source, reading) if to in writers() and writers()[to].keeps_answers else None
    answer = None if answered is None else partial(_answer, answered)
    posts = stream_posts(source, reading, fields=answer is not None)
    predicted = answered is not None and answered.label.lower() == "label" and "label" not in reading.columns
    total = count_posts(source, reading)
    home: Path | None = None
    if isinstance(source, str | Path):
        check_destinations([destination], Path(source), reading, force=force)
        if not outside:
            home = Path(os.path.realpath(source))
            home = home if home.is_dir() else home.parent
    with start_writing(Target(destination, part, embed, force, notes, home, answer), to) as write:
        for done, post in enumerate(posts, start=1):
            post = replace(post, label=None) if predicted else post
            write(_encodable(post, notes))
            found[post.label] += 1
            progress("converting", done, total)
    return Conversion(to, found.total(), found, posts.dropped, notes)


def _answer_columns(source: Any, reading: Reading) -> AnswerColumns | None:
    """Return where a source holds the answers of `moodfuse predict`; `None` where it has none."""
    first = next(stream_posts(source, reading, fields=True, strict=False, notify=mute), None)
    try:
        found = find_answer((first.fields if first else None) or {}, str(source))
    except DataError:
        return None
    return found if found.label and found.confidence else None


def _answer(columns: AnswerColumns, post: Post) -> tuple[str, float] | None:
    """Return a post's likeliest label and its probability; `None` where they are no numbers."""
    shares = [number(value) for value in columns.values(post.fields or {}) or ()]
    if not shares or not all(0 <= share <= 1 for share in shares):
        return None
    best = shares.index(max(shares))
    return list(columns.probabilities)[best], shares[best]


def _encodable(post: Post, notes: Counter[str]) -> Post:
    notes[_LOSSY] += post.lossy
    if post.text is None or not _SURROGATES.search(post.text):
        return post
    notes[_REPLACED] += 1
    return replace(post, text=_SURROGATES.sub("\ufffd", post.text))
