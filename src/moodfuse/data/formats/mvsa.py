"""MVSA-Single and MVSA-Multiple as their authors publish them (Niu et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.fields import held_in, short
from moodfuse.data.formats.files_beside import files_beside, refuse_if_none_has_files
from moodfuse.data.formats.lines import file_encoding, first_line, line_ends, located_texts
from moodfuse.data.formats.registry import reader
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT, merge_annotations

LISTING = "labelResultAll.txt"


@reader
class MvsaReader(Reader):
    """labelResultAll.txt: an id and, tab by tab, a `text,image` pair of labels an annotator; files in data/ beside it.

    `labels.merge_annotations` makes one label of them. Posts that it gives none are dropped from the labelled ones.
    """

    name = "mvsa"
    priority = 20  # before the tables: its header would do for one
    labels = SENTIMENT

    def recognises(self, path: Path, header: str | None) -> bool:
        if header is None:
            return LISTING in held_in(path)
        return _annotators(header) > 0

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        listing = _listing(path)
        header = first_line(listing)
        annotators = _annotators(header)
        if not annotators:
            raise DataError(f"{listing} line 1: expected the header ID, tab, text,image, found {short(header)}")
        data = listing.parent / "data"
        data = data if data.is_dir() else listing.parent
        refuse_if_none_has_files(listing, data, (values[0] for _, values in _records(listing)))
        for line, (id, *values) in _records(listing):
            text, images = files_beside(data, id, reading.strict)
            label, dropped = None, None
            try:
                label, dropped = merge_annotations(_pairs(values, annotators, where := f"{listing} line {line}"), where)
            except DataError:
                if reading.strict:
                    raise
            yield Row(listing, line, id, text, images, label, dropped=dropped)

    def files(self, path: Path) -> list[Path]:
        return [_listing(path)]

    def count(self, path: Path, reading: Reading) -> int:
        return max(0, line_ends(_listing(path)) - 1)


def _listing(path: Path) -> Path:
    return path / LISTING if path.is_dir() else path


def _records(listing: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the values of each line below the header, with its number."""
    for line, (_, text) in enumerate(located_texts(listing, file_encoding(listing)), start=1):
        if line > 1 and text.strip():
            yield line, [value.strip() for value in text.split("\t")]


def _annotators(header: str) -> int:
    """Return how many annotators the header names; 0: it is another format's."""
    first, *rest = (value.strip().lower() for value in header.split("\t"))
    return len(rest) if first == "id" and set(rest) == {"text,image"} else 0


def _pairs(values: list[str], annotators: int, where: str) -> list[tuple[str, str]]:
    pairs = [tuple(label.strip() for label in value.split(",")) for value in values]
    if len(pairs) != annotators or any(len(pair) != 2 for pair in pairs):
        raise DataError(
            f"{where}: expected an id and {annotators} text,image pair(s) of labels between tabs, found {short(values)}"
        )
    return [(pair[0], pair[1]) for pair in pairs]
