"""CSV files as the common crawlers of Weibo write them (weibo-crawler, weibo-search, weiboSpider)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from moodfuse.data.formats.base import Reading, Row
from moodfuse.data.formats.columns import WEIBO_NAMES
from moodfuse.data.formats.dialect import header_columns
from moodfuse.data.formats.lines import first_line
from moodfuse.data.formats.records import Records
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.tables import CsvReader, Header
from moodfuse.data.posts import ImageRef

#: What one data set of such posts (情感倾向, of DataFountain) calls its labels.
_LABELS = {"-1": "negative", "0": "neutral", "1": "positive"}
#: What the crawlers write where a post has no image.
_NO_IMAGE = ("无", "none", "null", "[]")


@reader
class WeiboReader(CsvReader):
    """A table with 微博正文 (or 正文) as the crawlers write it; images are addresses or paths, commas between.

    The crawlers put a tab behind numbers, so that Excel leaves them alone: an id loses it.
    """

    name = "weibo"
    priority = 62  # before the tables: their columns would not be found there
    suffixes: ClassVar[tuple[str, ...]] = ()
    delimiters = ",\t;"

    def recognises(self, path: Path, header: str | None) -> bool:
        known = WEIBO_NAMES["text"]
        return any(not set(known).isdisjoint(names) for _, names in header_columns(header))

    def _tidied(self, rows: Iterator[Row]) -> Iterator[Row]:
        return map(_tidy, rows)

    def _open(self, path: Path, reading: Reading) -> tuple[Header, Records]:
        there = {name for _, names in header_columns(first_line(path)) for name in names}
        found = {role: name for role, known in WEIBO_NAMES.items() if (name := _first(known, there))}
        return super()._open(path, replace(reading, columns=found | dict(reading.columns)))


def _first(names: Iterable[str], there: Container[str]) -> str | None:
    return next((name for name in names if name in there), None)


def _is_none(image: ImageRef) -> bool:
    return isinstance(image.source, Path) and image.source.name.strip().lower() in _NO_IMAGE


def _tidy(row: Row) -> Row:
    """Return a row without what the crawlers add for Excel, write for "no image" and call their labels."""
    return replace(
        row,
        id=row.id.strip(),
        images=tuple(image for image in row.images if not _is_none(image)),
        label=_LABELS.get(row.label or "", row.label),
    )
