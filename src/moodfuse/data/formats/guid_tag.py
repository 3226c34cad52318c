"""The guid,tag folder: a list of ids and labels, with GUID.txt and GUID.jpg in data/ beside it."""

from __future__ import annotations

import codecs
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from moodfuse.data.formats.base import Part, Reader, Reading, Role, Row, Target, Writer
from moodfuse.data.formats.columns import assign_columns, rank_of
from moodfuse.data.formats.dialect import header_columns
from moodfuse.data.formats.fields import held_in, in_words, names_files, short, unique_names
from moodfuse.data.formats.files_beside import files_beside, refuse_if_none_has_files
from moodfuse.data.formats.image_files import image_suffix, note_left_out, open_image_bytes
from moodfuse.data.formats.lines import csv_line, first_line, line_ends
from moodfuse.data.formats.records import Records, fitted
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.posts import Post
from moodfuse.errors import DataError
from moodfuse.files import replacing_folder
from moodfuse.progress import mute

#: The lists of a folder, by what they are for; the first that is there is read.
LISTINGS: dict[Part, tuple[str, ...]] = {"train": ("train.txt",), "predict": ("test_without_label.txt", "train.txt")}
_LONGEST_NAME = 240  # bytes; file systems take 255, and a suffix comes on top


@reader
class GuidTagReader(Reader):
    """`guid,tag` in a list (train.txt); the texts and images lie in data/ beside it, as GUID.txt and GUID.jpg.

    Further columns of the list come back with the answers; a list without any has no columns beside its answers.
    """

    name = "guid_tag"
    priority = 70  # before the tables: its list would do for one that has neither texts nor images

    def recognises(self, path: Path, header: str | None) -> bool:
        if header is None:
            return not {name for names in LISTINGS.values() for name in names}.isdisjoint(held_in(path))
        if header.strip().lower() == "guid":
            return True
        split = [names for _, names in header_columns(header) if "guid" in names]
        return any(not any((rank_of(name) or [""])[0] in ("text", "image") for name in names) for names in split)

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        listing = self._listing(path, reading.part)
        data = listing.parent / "data"
        data = data if data.is_dir() else listing.parent
        table = Records.of(listing, ",", reading)
        header = next(table).values
        places = assign_columns(header, f"{listing} line 1", reading).places
        names = unique_names(header) if reading.fields and _has_more(header, places) else ()
        named = table.dialect.delimiter == "," or "guid" in map(str.lower, header)
        if "id" not in places or not named:
            raise DataError(f"{listing} line 1: expected the header guid,tag, found {short(first_line(listing))}")
        others = islice(Records.of(listing, ",", replace(reading, notify=mute)), 1, None)
        at = places["id"]
        refuse_if_none_has_files(listing, data, (values[at].strip() for _, values, _ in others if len(values) > at))
        for line, values, _ in table:
            found = values if len(values) == len(header) else fitted(table, line, values, reading)
            guid = found[places["id"]] or ""
            text, images = files_beside(data, guid.strip(), reading.strict)
            label = found[places["label"]] if "label" in places else None
            fields = dict(zip(names, found, strict=True)) if names else None
            yield Row(listing, line, guid, text, images, label, fields=fields)

    def files(self, path: Path) -> list[Path]:
        """Return every list that is there: what is read of a folder depends on what for."""
        if not path.is_dir():
            return [path]
        names = dict.fromkeys(name for part in LISTINGS.values() for name in part)
        return [path / name for name in names if name in held_in(path)]

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        header, places = self._header(path, reading)
        return unique_names(header) if _has_more(header, places) else ()

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        header, places = self._header(path, reading)
        read = (at for role, at in places.items() if role in ("id", "label"))
        return tuple(unique_names(header)[at] for at in read) if _has_more(header, places) else ()

    def count(self, path: Path, reading: Reading) -> int:
        return max(0, line_ends(self._listing(path, reading.part)) - 1)

    def _header(self, path: Path, reading: Reading) -> tuple[list[str], dict[Role, int]]:
        """Return the names of a list's columns, and which of them is for what."""
        listing = self._listing(path, reading.part)
        header = next(Records.of(listing, ",", replace(reading, notify=mute))).values
        return header, assign_columns(header, f"{listing} line 1", reading).places

    @staticmethod
    def _listing(path: Path, part: Part) -> Path:
        """Return the list that is read: of a folder the one for this part, else `path` itself."""
        if not path.is_dir():
            return path
        folder, held = path, held_in(path)
        for name in LISTINGS[part]:
            if name in held:
                return folder / name
        raise DataError(
            f"{folder}: expected {' or '.join(LISTINGS[part])} in this folder, found {in_words(held)}; "
            "add the list (guid,tag), or name a CSV, JSONL or Parquet file"
        )


def _has_more(header: Sequence[str], places: Mapping[Role, int]) -> bool:
    """Say whether a list has columns beside those of the ids and the labels."""
    return len(header) > len({"id", "label"} & set(places))


@writer
class GuidTagWriter(Writer):
    """The list is train.txt, or test_without_label.txt for the part to predict; images keep their bytes."""

    name = "guid_tag"
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
                        _write_files(data, post, target.notes, target.home)
                    except FileExistsError:  # where a.txt and A.txt are one file
                        raise _twice(post.id) from None

                yield write


def _write_files(folder: Path, post: Post, notes: Counter[str], home: Path | None) -> None:
    if post.text is not None:
        data = post.text.encode()
        # A reader takes a first U+FEFF for the mark of UTF-8: a text that starts with one gets two.
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        with (folder / f"{post.id}.txt").open("xb") as file:
            file.write(mark + data)
    note_left_out(post, notes)
    with open_image_bytes(post.image, notes, home) as image:
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
