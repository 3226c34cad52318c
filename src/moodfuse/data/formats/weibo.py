"""CSV files as the common crawlers of Weibo write them (weibo-crawler, weibo-search, weiboSpider)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from moodfuse.data.formats.base import Reader, Reading, Role, Row
from moodfuse.data.formats.fields import columns, image_file, short, values_by_role
from moodfuse.data.formats.lines import first_line, records
from moodfuse.data.formats.registry import reader
from moodfuse.data.posts import ImageRef
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError

#: What the crawlers call a column, by its role; of several that are there the first is it.
NAMES: dict[Role, tuple[str, ...]] = {
    "id": ("id", "微博id", "bid"),
    "text": ("微博正文", "正文", "微博中文内容"),
    "image": ("微博图片url", "原始图片url", "微博图片"),
    "label": ("label", "情感倾向"),
}
#: What one data set of such posts (情感倾向, of DataFountain) calls its labels.
_LABELS = {"-1": "negative", "0": "neutral", "1": "positive"}
_NONE = ("无", "none", "null", "[]")


@reader
class WeiboReader(Reader):
    """A table with 微博正文 (or 正文) as the crawlers write it; images are addresses or paths, commas between.

    The crawlers put a tab behind numbers, so that Excel leaves them alone: an id loses it.
    """

    name = "weibo"
    priority = 62  # before the tables: their columns would not be found there

    def recognises(self, path: Path, header: str | None) -> bool:
        return header is not None and _delimiter(header) is not None

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        header, found = _header(path, reading)
        table = records(path, _delimiter(first_line(path)) or ",")
        next(table)
        for number, record in enumerate(table, start=1):
            values = values_by_role(record, found, path, reading.strict)
            text, label = values.get("text"), values.get("label")
            images = tuple(_images(path.parent, values.get("image")))
            yield Row(
                path,
                record.line,
                (values["id"] or "").strip() if "id" in found else str(number),
                None if text is None else Decoded(text, record.encoding, record.lossy),
                images[0] if images else None,
                _LABELS.get(label, label) if label else None,
                more_images=images[1:],
                fields=dict(zip(header, record.values, strict=False)) if reading.fields else None,
            )

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return tuple(_header(path, reading)[0])


def _delimiter(header: str) -> str | None:
    """Return what stands between the columns of a header of such a file; `None`: it is none."""
    return next((sign for sign in ",\t;" if _is_one(columns(header.lstrip("\ufeff"), sign))), None)


def _is_one(names: Sequence[str]) -> bool:
    return len(names) > 1 and any(name in NAMES["text"] for name in names)


def _header(path: Path, reading: Reading) -> tuple[list[str], Mapping[str, int]]:
    """Return the columns' names, and the place of each role among them."""
    line = first_line(path)
    names = next(records(path, _delimiter(line) or ",")).values
    bare = [name.strip().lower() for name in names]
    found: dict[str, int] = {}
    for role, known in NAMES.items():
        asked = reading.columns.get(role)
        if asked is not None and asked.strip().lower() not in bare:
            raise DataError(f"{path}: expected the column {asked!r} for the {role}, found {short(names)}")
        wanted = known if asked is None else (asked.strip().lower(),)
        if (place := next((bare.index(name) for name in wanted if name in bare), None)) is not None:
            found[role] = place
    if "text" not in found:
        raise DataError(f"{path} line 1: expected a column {' or '.join(NAMES['text'])}, found {short(line)}")
    return names, found


def _images(folder: Path, value: str | None) -> Iterator[ImageRef]:
    """Yield the images that a value names; one crawler writes the list as Python does."""
    for part in (value or "").strip().strip("[]").split(","):
        name = part.strip().strip("'\"")
        if name and name.lower() not in _NONE and (image := image_file(folder, name)) is not None:
            yield image
