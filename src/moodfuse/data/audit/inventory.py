"""Everything that a data set holds, labelled and not, read without stopping at ids that repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import TRAINING, Part, Reading
from moodfuse.data.formats.guid_tag import LISTINGS
from moodfuse.data.formats.objects import object_name
from moodfuse.data.formats.readers import source_format, stream_posts
from moodfuse.data.formats.registry import format_name
from moodfuse.data.posts import Post, Posts
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT, Labels


@dataclass(frozen=True, slots=True)
class Inventory:
    """All posts of a data set, each id once (the first post that has it)."""

    posts: Posts
    #: id -> how many posts have it, for ids that several have
    repeated: Mapping[str, int]
    #: of those, the ids whose posts differ in label
    contradicting: tuple[str, ...]
    #: ids that stand among the labelled posts and in the list to predict, too
    in_both_lists: tuple[str, ...]
    #: posts that the format's own rule leaves out, by reason
    dropped: Mapping[str, int]

    @property
    def labelled(self) -> Posts:
        return self.posts.labelled()


def take_inventory(source: Any, reading: Reading = TRAINING, *, labels: Labels = SENTIMENT) -> Inventory:
    """Read `source`, of a guid,tag folder both its lists; `Posts` stay as they are.

    Raises `DataError` for what `read_posts` refuses, ids aside, and for a source without posts.
    """
    if isinstance(source, Posts):
        return Inventory(source, {}, (), (), source.dropped)
    dropped: Counter[str] = Counter()
    kept: dict[str, Post] = {}
    times: Counter[str] = Counter()
    contradicting: dict[str, None] = {}
    in_both: dict[str, None] = {}
    for part in _parts(source, reading.format):
        before = set(kept)
        for post in _stream(source, replace(reading, labels=labels, part=part), dropped):
            if post.id in before:
                in_both[post.id] = None
                continue
            times[post.id] += 1
            if kept.setdefault(post.id, post).label != post.label:
                contradicting[post.id] = None
    name = str(source) if isinstance(source, str | Path) else object_name(source)
    if not kept:
        raise DataError(f"{name}: holds no posts; expected rows under its header")
    repeated = {id: n for id, n in times.items() if n > 1}
    return Inventory(Posts(kept.values(), source=name), repeated, tuple(contradicting), tuple(in_both), dropped)


def _stream(source: Any, reading: Reading, dropped: Counter[str]) -> Iterator[Post]:
    part = reading.part
    posts = stream_posts(source, reading, strict=part == "train")
    for post in posts:
        # The list to predict says nothing of labels, whatever its second column holds.
        yield post if part == "train" else replace(post, label=None)
    dropped.update(posts.dropped)


def _parts(source: Any, format: str | None) -> list[Part]:
    """Return which lists are read: of a guid,tag folder those that are there, of anything else the whole of it."""
    if not isinstance(source, str | Path):
        return ["train"]
    path = Path(source)
    if not path.is_dir() or format_name(format or source_format(path)) != "guid_tag":
        return ["train"]
    to_predict = (path / LISTINGS["predict"][0]).is_file()
    if not to_predict:
        return ["train"]  # which says what is missing, where that is missing too
    return ["train", "predict"] if (path / LISTINGS["train"][0]).is_file() else ["predict"]
