"""CSV files as the common crawlers of Weibo write them (weibo-crawler, weibo-search, weiboSpider)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from moodfuse.data.formats.base import Reading, Role, Row, Run
from moodfuse.data.formats.dialect import header_columns
from moodfuse.data.formats.lines import first_line
from moodfuse.data.formats.records import Records
from moodfuse.data.formats.registry import reader
from moodfuse.data.formats.tables import CsvReader, Header

#: What the crawlers call a column, by its role; the first name that is there counts.
NAMES: dict[Role, tuple[str, ...]] = {
    "id": ("id", "微博id", "bid"),
    "text": ("微博正文", "正文", "微博中文内容"),
    "image": ("微博图片url", "原始图片url", "微博图片"),
    "label": ("label", "情感倾向"),
}
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
        return header is not None and any(
            len(names) > 1 and any(_bare(name) in NAMES["text"] for name in names)
            for _, names in header_columns(header.lstrip("\ufeff"))
        )

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        return map(_tidy, super().rows(path, reading))

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        rows = super().run_rows(run, reading)
        return map(_tidy, rows) if run.offset else rows  # from the beginning of a file they come through `rows`

    def _open(self, path: Path, reading: Reading) -> tuple[Header, Records]:
        there = {_bare(name): name for _, names in header_columns(first_line(path).lstrip("\ufeff")) for name in names}
        found = {
            role: there[name] for role, known in NAMES.items() if (name := next((n for n in known if n in there), ""))
        }
        return super()._open(path, replace(reading, columns=found | dict(reading.columns)))


def _bare(name: str) -> str:
    return name.strip().lower()


def _tidy(row: Row) -> Row:
    """Return a row without what the crawlers add for Excel, write for "no image" and call their labels."""
    images = [image for image in (row.image, *row.more_images) if image is not None]
    images = [one for one in images if not (isinstance(one.source, Path) and _bare(one.source.name) in _NO_IMAGE)]
    return replace(
        row,
        id=row.id.strip(),
        image=images[0] if images else None,
        more_images=tuple(images[1:]),
        label=_LABELS.get(row.label or "", row.label),
    )
