"""The report folder: a `guid,tag` list, with GUID.txt and GUID.jpg in data/ beside it."""

from __future__ import annotations

import codecs
import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from moodfuse.data.formats.base import LISTINGS, Part, Reader, Row, Target, Writer, reader, writer
from moodfuse.data.formats.fields import cells_by_role, columns, files_beside, held_in, names_files, roles, short
from moodfuse.data.formats.image_files import image_suffix, open_image_bytes
from moodfuse.data.formats.lines import first_line, line_ends, records
from moodfuse.data.posts import Post
from moodfuse.errors import DataError
from moodfuse.files import replacing_folder

_LONGEST_NAME = 240  # bytes; file systems take 255, and a suffix comes on top


@reader("report")
class ReportReader(Reader):
    """`guid,tag` in a list (train.txt); the texts and images lie in data/ beside it, as GUID.txt and GUID.jpg."""

    def recognises(self, path: Path, header: str | None) -> bool:
        found = columns(header, ",")
        return header is None or ("guid" in found and not {"text", "image"} & set(found))

    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        listing = self._listing(path, part) if path.is_dir() else path
        first_line(listing)  # refuses what is no text file
        data = listing.parent / "data"
        data = data if data.is_dir() else listing.parent
        table = records(listing, ",")
        found = roles(next(table).cells, f"{listing} line 1")
        if "id" not in found:
            raise DataError(f"{listing} line 1: expected the header guid,tag, found {short(first_line(listing))}")
        for record in table:
            cells = cells_by_role(record, found, listing, strict)
            guid = cells.get("id") or ""
            text, image = files_beside(data, guid.strip(), strict)
            yield Row(listing, record.line, guid, text, image, cells.get("label"))

    def count(self, path: Path, part: Part) -> int:
        return max(0, line_ends(self._listing(path, part) if path.is_dir() else path) - 1)

    @staticmethod
    def _listing(folder: Path, part: Part) -> Path:
        held = held_in(folder)
        for name in LISTINGS[part]:
            if name in held:
                return folder / name
        few = ", ".join(held[:5]) + (f" and {len(held) - 5:,} more" if len(held) > 5 else "")
        raise DataError(
            f"{folder}: expected {' or '.join(LISTINGS[part])} in this folder, found {few or 'nothing'}; "
            "add the list (guid,tag), or name a CSV, JSONL or Parquet file"
        )


@writer("report")
class ReportWriter(Writer):
    """The list is train.txt, or test_without_label.txt for the part to predict; images keep their bytes."""

    suffixes = ("",)

    @contextmanager
    def open(self, target: Target) -> Iterator[Callable[[Post], None]]:
        with replacing_folder(target.path) as folder:
            data = folder / "data"
            data.mkdir()
            with (folder / LISTINGS[target.part][0]).open("xb") as listing:
                listing.write(b"guid,tag\n")
                seen: set[str] = set()

                def write(post: Post) -> None:
                    _refuse(post.id, seen)
                    listing.write(csv_line([post.id, post.label or "null"]))
                    try:
                        _write_files(data, post, target.notes)
                    except FileExistsError:  # where a.txt and A.txt are one file
                        raise _twice(post.id) from None

                yield write


def csv_line(cells: list[str], delimiter: str = ",") -> bytes:
    """Return a line of a table in UTF-8, cells between quotes where they must be."""
    line = io.StringIO()
    # A cell that holds \r is put between quotes only where \r is part of the line's end.
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return line.getvalue()[:-2].encode() + b"\n"


def _write_files(folder: Path, post: Post, notes: Counter[str]) -> None:
    if post.text is not None:
        data = post.text.encode()
        # A reader takes a first U+FEFF for the mark of UTF-8: a text that starts with one gets two.
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        with (folder / f"{post.id}.txt").open("xb") as file:
            file.write(mark + data)
    with open_image_bytes(post.image, notes) as image:
        if image is not None:
            with (folder / f"{post.id}{image_suffix(image)}").open("xb") as file:
                shutil.copyfileobj(image, file)


def _refuse(id: str, seen: set[str]) -> None:
    """Raise `DataError` for an id whose files would lie elsewhere, or are those of another post."""
    if not names_files(id) or id != id.strip() or len(id.encode()) > _LONGEST_NAME:
        raise DataError(
            f"id {short(id)}: cannot name files (it is empty or too long, or holds /, \\, .. or outer blanks); "
            "write csv, tsv, jsonl or parquet, which take any id"
        )
    if id in seen:
        raise _twice(id)
    seen.add(id)


def _twice(id: str) -> DataError:
    return DataError(
        f"id {short(id)}: stands for more than one post, and both would have the same files; "
        "give every post an id of its own, or write csv, tsv, jsonl or parquet"
    )
