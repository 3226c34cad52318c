"""The archive that X (Twitter) gives its users of what they have posted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.fields import held_in, in_words, names_files
from moodfuse.data.formats.json_items import count_matches, item_id, item_label, item_text, json_items
from moodfuse.data.formats.lines import file_encoding
from moodfuse.data.formats.registry import reader
from moodfuse.data.posts import ImageRef, ImageUri
from moodfuse.errors import DataError

_OPENING = re.compile(r"window\.YTD\.tweets?\.part\d+\s*=\s*\[")
_PART = re.compile(r"tweets?(?:-part(\d+))?\.js")
_MEDIA_FOLDERS = ("tweets_media", "tweet_media")
#: What comes back of a post beside its answer.
COLUMNS = ("id_str", "created_at", "full_text", "lang", "favorite_count", "retweet_count", "in_reply_to_screen_name")


@reader
class XArchiveReader(Reader):
    """`data/tweets.js` of an unpacked archive, `tweets-part1.js` and so on, images in `tweets_media/` beside them.

    Named may be the archive's folder, its folder `data`, or one such file. Every post is a row, reposts and replies
    too. A post's images are those of its media that are photos here, else the addresses that they had.
    """

    name = "x_archive"
    priority = 15  # its first line leaves no doubt

    def recognises(self, path: Path, header: str | None) -> bool:
        return bool(_parts(path)) if header is None else _OPENING.match(header) is not None

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        for file in _files(path):
            encoding = file_encoding(file)
            for item, number, where in json_items(file, _OPENING):
                tweet = item["tweet"] if isinstance(item.get("tweet"), dict) else item  # archives before 2020: bare
                id = item_id(tweet, reading, tweet.get("id_str", tweet.get("id")), where)
                yield Row(
                    file,
                    number,
                    id,
                    item_text(tweet, reading, tweet.get("full_text", tweet.get("text")), encoding),
                    tuple(_images(tweet, id, file.parent)),
                    item_label(tweet, reading),
                    unit="row",
                    fields={name: tweet.get(name) for name in COLUMNS} if reading.fields else None,
                )

    def files(self, path: Path) -> list[Path]:
        return _files(path)

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return COLUMNS

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return ("id_str", "full_text", *reading.columns.values())

    def count(self, path: Path, reading: Reading) -> int:
        return sum(count_matches(file, re.compile(rb'"full_text"\s*:')) for file in _files(path))


def _parts(folder: Path) -> list[Path]:
    """Return the files of posts in a folder or in `data` below it, in order."""
    held = held_in(folder)
    if "data" in held and (folder / "data").is_dir() and not any(_PART.fullmatch(name) for name in held):
        return _parts(folder / "data")
    found = {name: match for name in held if (match := _PART.fullmatch(name))}
    return [folder / name for name in sorted(found, key=lambda name: int(found[name][1] or 0))]


def _files(path: Path) -> list[Path]:
    files = _parts(path) if path.is_dir() else [path]
    if not files:
        raise DataError(
            f"{path}: expected data/tweets.js in this folder, found {in_words(held_in(path))}; "
            "unpack the archive, and name its folder"
        )
    return files


def _images(tweet: dict[str, Any], id: str, folder: Path) -> Iterator[ImageRef]:
    """Yield the images of a post: files named ID-NAME, where NAME is the last part of the address that they had."""
    entities = tweet.get("extended_entities") or tweet.get("entities")
    media = entities.get("media") if isinstance(entities, dict) else None
    for one in media if isinstance(media, list) else ():
        address = one.get("media_url_https") or one.get("media_url") if isinstance(one, dict) else None
        if not isinstance(address, str):
            continue
        name = f"{id}-{PurePosixPath(address).name}"
        places = [folder / media_folder / name for media_folder in _MEDIA_FOLDERS] if names_files(name) else []
        found = next((place for place in places if os.path.exists(place)), None)  # noqa: PTH110 (Path raises on NUL)
        yield ImageRef(found) if found else ImageUri(b"", address)
