"""From files to posts. A reader is one class here, registered under the name of its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from moodfuse.data.fields import (
    NAMES,
    cells_by_role,
    columns,
    files_beside,
    image_file,
    json_id,
    json_image,
    json_object,
    need_text_or_image,
    roles,
    short,
)
from moodfuse.data.lines import cannot_read, decoded_lines, first_line, records
from moodfuse.data.posts import ImageRef, Post, Posts
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError, suggest
from moodfuse.labels import SENTIMENT, Labels

Part = Literal["train", "predict"]

LISTINGS: dict[Part, tuple[str, ...]] = {"train": ("train.txt",), "predict": ("test_without_label.txt", "train.txt")}


@dataclass(frozen=True, slots=True)
class Row:
    """A post as a file has it: where it stands, and its label unchecked."""

    where: Path
    line: int
    id: str
    text: Decoded | None
    image: ImageRef | None
    label: str | None


class Reader(ABC):
    """Reads one format. Rows come in the order of the file, one at a time, none left out."""

    @abstractmethod
    def recognises(self, path: Path, header: str | None) -> bool:
        """Say whether this is the format of `path`, whose first line is `header` (`None`: a folder)."""

    @abstractmethod
    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        """Yield the rows. Raises `DataError` for what is no row; `strict` refuses what prediction can live with."""


READERS: dict[str, Reader] = {}


def reader(name: str) -> Callable[[type[Reader]], type[Reader]]:
    """Register a reader class under the name of its format. Those registered first are asked first."""

    def register(cls: type[Reader]) -> type[Reader]:
        READERS[name] = cls()
        return cls

    return register


def source_format(path: str | Path) -> str:
    """Return the name of the format of a file or folder. Raises `DataError` where no reader knows it."""
    path = Path(path)
    header = None if path.is_dir() else first_line(path)
    for name, candidate in READERS.items():
        if candidate.recognises(path, header):
            return name
    raise DataError(
        f"{path}: expected a folder with train.txt, JSON lines, or a header line such as guid,tag or "
        f"id,text,image,label; found {short(header or '')}; add the header, or name the format "
        f"({', '.join(READERS)})"
    )


def stream_posts(
    path: str | Path,
    *,
    format: str | None = None,
    labels: Labels = SENTIMENT,
    part: Part = "train",
    strict: bool = True,
) -> Iterator[Post]:
    """Yield the posts of a file or folder in order, in memory that does not grow with their number.

    `format` is found out where it is `None`. `part` names what of a report folder is read: train.txt, or
    test_without_label.txt where there is one. `strict=False`, for prediction, ignores labels that are none and
    empty ids. Ids may repeat. Raises `DataError` on the way, naming file and line.
    """
    for row in _rows(Path(path), format, part, strict):
        yield _post(row, labels, strict)


def read_posts(path: str | Path, *, format: str | None = None, labels: Labels = SENTIMENT) -> Posts:
    """Read labelled posts. Raises `DataError` for what `stream_posts` refuses, and for an id that stands twice."""
    posts, lines = [], dict[str, int]()
    for row in _rows(Path(path), format, "train", True):
        if row.id in lines:
            raise DataError(
                f"{row.where}: id {row.id!r} stands on line {lines[row.id]} and again on line {row.line}; "
                "give every post an id of its own, or remove one of them"
            )
        lines[row.id] = row.line
        posts.append(_post(row, labels, True))
    return Posts(posts, source=str(path))


def _rows(path: Path, format: str | None, part: Part, strict: bool) -> Iterator[Row]:
    name = source_format(path) if format is None else format
    if name not in READERS:
        raise DataError(f"{path}: {suggest(name, READERS, what='format')}")
    return READERS[name].rows(path, part=part, strict=strict)


def _post(row: Row, labels: Labels, strict: bool) -> Post:
    where = f"{row.where} line {row.line}"
    if strict and not row.id.strip():
        raise DataError(f"{where}: the id is empty; give every post an id of its own")
    try:
        label = labels.parse(row.label, where=where)
    except DataError:
        if strict:
            raise
        label = None
    if row.text is None:
        return Post(row.id, image=row.image, label=label)
    return Post(row.id, row.text.text, row.image, label, row.text.encoding, row.text.lossy)


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

    @staticmethod
    def _listing(folder: Path, part: Part) -> Path:
        try:
            held = sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            cannot_read(folder, error)
        for name in LISTINGS[part]:
            if name in held:
                return folder / name
        few = ", ".join(held[:5]) + (f" and {len(held) - 5:,} more" if len(held) > 5 else "")
        raise DataError(
            f"{folder}: expected {' or '.join(LISTINGS[part])} in this folder, found {few or 'nothing'}; "
            "add the list (guid,tag), or name a CSV or JSONL file"
        )


@reader("jsonl")
class JsonLinesReader(Reader):
    """One JSON object a line: id, text, image (a path, or {"base64": ...}), label. `null` is nothing."""

    def recognises(self, path: Path, header: str | None) -> bool:
        return path.suffix.lower() in (".jsonl", ".ndjson") or (header or "").lstrip().startswith("{")

    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        first_line(path)
        number = 0
        for line, decoded in enumerate(decoded_lines(path), start=1):
            if not decoded.text.strip():
                continue
            number += 1
            where = f"{path} line {line}"
            found = json_object(decoded.text, where)
            given = list(found.values())
            places = roles(found, where)
            need_text_or_image(places, found, where)
            values = {role: given[place] for role, place in places.items()}
            text, label = values.get("text"), values.get("label")
            if not isinstance(text, str | None):
                raise DataError(f"{where}: expected a string or null as text, found {short(text)}")
            yield Row(
                path,
                line,
                json_id(values["id"], where) if "id" in values else str(number),
                None if text is None else Decoded(text, decoded.encoding, decoded.lossy),
                json_image(values.get("image"), path.parent, where, strict),
                None if label is None else str(label),
            )


@reader("tsv")
class TsvReader(Reader):
    """A table with a header: id or guid, text, image (a path relative to the file), label, tag or sentiment."""

    suffix, delimiter = ".tsv", "\t"

    def recognises(self, path: Path, header: str | None) -> bool:
        known = {name for names in NAMES.values() for name in names}
        found = columns(header, self.delimiter)
        return path.suffix.lower() == self.suffix or (len(found) > 1 and bool(known & set(found)))

    def rows(self, path: Path, *, part: Part, strict: bool) -> Iterator[Row]:
        first_line(path)
        table = records(path, self.delimiter)
        header = next(table).cells
        found = roles(header, f"{path} line 1")
        need_text_or_image(found, header, f"{path} line 1")
        for number, record in enumerate(table, start=1):
            cells = cells_by_role(record, found, path, strict)
            text = cells.get("text")
            yield Row(
                path,
                record.line,
                str(number) if "id" not in found else cells["id"] or "",
                None if text is None else Decoded(text, record.encoding, record.lossy),
                image_file(path.parent, cells.get("image")),
                cells.get("label"),
            )


@reader("csv")
class CsvReader(TsvReader):
    """As TSV, with commas."""

    suffix, delimiter = ".csv", ","

    def recognises(self, path: Path, header: str | None) -> bool:
        return super().recognises(path, header) or columns(header, ",") in (["text"], ["image"])
