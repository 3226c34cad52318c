"""Dumps of Reddit: a comment or a submission a line, as Pushshift and its successors publish them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from moodfuse.data.formats.base import Reading, Row
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.json_items import item_id, item_label, item_text, item_value
from moodfuse.data.formats.jsonl import JsonLinesReader
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.values import Objects
from moodfuse.data.image_finding import IMAGE_SUFFIXES
from moodfuse.data.posts import ImageUri

_COMMENT, _SUBMISSION = re.compile(r'"body"\s*:'), re.compile(r'"(?:selftext|title)"\s*:')
_SUBREDDIT = re.compile(r'"subreddit(?:_id)?"\s*:')
#: What stands where a text was.
_GONE = ("[deleted]", "[removed]")
#: What comes back of a post beside its answer.
COLUMNS = (
    "id", "created_utc", "author", "subreddit", "title", "selftext", "body", "score", "num_comments", "permalink"
)  # fmt: skip


@reader
class RedditReader(JsonLinesReader):
    """JSON lines with `subreddit`, and `body` (comments) or `title` and `selftext` (submissions, both are the text).

    A text that was deleted or removed is missing. Images are those that a submission shows, by their addresses, or the
    file that somebody has named under `image`.
    """

    name = "reddit"
    priority = 54  # before JSON lines in general
    suffixes = ()

    def recognises(self, path: Path, header: str | None) -> bool:
        line = (header or "").lstrip()
        kind = _COMMENT.search(line) or _SUBMISSION.search(line)
        return line.startswith("{") and kind is not None and _SUBREDDIT.search(line) is not None

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return COLUMNS

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return ("id", "title", "selftext", "body", *reading.columns.values())

    def _row(self, objects: Objects, found: dict[str, Any], number: int, line: int) -> Row:
        path, reading = Path(objects.where), objects.reading
        where = f"{path} line {line}"
        added = item_value(found, "image", reading, found.get("image"))
        given = image_refs(path.parent, added, where=where, strict=reading.strict)
        return Row(
            path,
            line,
            item_id(found, reading, found.get("id"), where),
            item_text(found, reading, _text(found), objects.encoding),
            tuple(given or _images(found)),
            item_label(found, reading),
            fields={name: found.get(name) for name in COLUMNS} if reading.fields else None,
        )


def _text(post: dict[str, Any]) -> str | None:
    parts = [post.get(name) for name in (("body",) if "body" in post else ("title", "selftext"))]
    kept = [str(part) for part in parts if part is not None and part not in _GONE]
    if not kept:
        return None
    return "\n\n".join(part for part in kept if part) if len(kept) > 1 else kept[0]


def _images(post: dict[str, Any]) -> Iterator[ImageUri]:
    """Yield the images that a submission shows: a gallery's in their order, or the one that it links to."""
    gallery, about = post.get("gallery_data"), post.get("media_metadata")
    if isinstance(gallery, dict) and isinstance(about, dict):
        items = gallery.get("items")
        for item in items if isinstance(items, list) else ():
            one = about.get(str(item.get("media_id"))) if isinstance(item, dict) else None
            source = one.get("s") if isinstance(one, dict) else None
            if isinstance(source, dict) and isinstance(source.get("u"), str):
                yield ImageUri(b"", unescape(source["u"]))
        return
    address = post.get("url_overridden_by_dest") or post.get("url")
    if not isinstance(address, str) or "://" not in address:
        return
    if post.get("post_hint") == "image" or _names_image(address):
        yield ImageUri(b"", unescape(address))


def _names_image(address: str) -> bool:
    try:
        path = urlsplit(address).path
    except ValueError:
        return False
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
