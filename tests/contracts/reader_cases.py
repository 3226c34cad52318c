"""A sample of every format, for the contract of readers: how to write posts, and how to add a row that nobody checked.

A format with a writer has its sample from there. A new reader gets its case here, and the whole contract with it. A
reader of another package hands its case in: `MOODFUSE_READER_CASES` names a module with `CASES` of its own.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import HealthCheck, settings
from python_calamine import CalamineWorkbook

from moodfuse.data.formats.base import Target
from moodfuse.data.formats.registry import readers, writers
from moodfuse.data.formats.writers import start_writing
from moodfuse.data.posts import ImageRef, Post
from moodfuse.errors import MoodfuseError

#: What else may be wrong with a row, by what it is called, as the bytes at the end of the file.
Rows = dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """How the samples of a format come to be."""

    #: Write posts into a folder, and return the source.
    make: Callable[[Path, Sequence[Post]], Path]
    #: Add a row with any id and any label to a source, whatever they are.
    add: Callable[[Path, str, str], None]
    #: Add to a source while it is read, where that is not to add a row.
    grow: Callable[[Path], None] | None = None
    #: Rows that are none, added to the end of `listing(source)`.
    broken: Rows = field(default_factory=dict)
    #: The file of a source that holds its last rows.
    listing: Callable[[Path], Path] = lambda source: source
    #: Whether texts and images lie in files of their own, named by the id.
    beside: bool = False
    #: Whether a text that is missing is read as missing, not as empty.
    keeps_missing_text: bool = True
    #: Which texts the format can hold.
    holds: Callable[[str], bool] = lambda text: True


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def written(path: Path, name: str, posts: Iterable[Post]) -> Path:
    """Write posts as the format called `name` does, and return where."""
    with start_writing(Target(path), name) as write:
        for post in posts:
            write(post)
    return path


def by_writer(name: str) -> Callable[[Path, Sequence[Post]], Path]:
    return lambda folder, posts: written(folder / f"sample{writers()[name].suffixes[0]}", name, posts)


def values(delimiter: str) -> Callable[[Path, str, str], None]:
    def add(path: Path, id: str, label: str) -> None:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerow([id, "added", "", label])

    return add


def add_object(path: Path, id: str, label: str) -> None:
    append(path, json.dumps({"id": id, "text": "added", "label": label}).encode() + b"\n")


def add_to_table(path: Path, id: str, label: str) -> None:
    table = pq.read_table(path)
    row = dict.fromkeys(table.column_names) | {"id": id, "text": "added", "label": label}
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist([row], schema=table.schema)]), path)


def add_guid(folder: Path, id: str, label: str) -> None:
    append(folder / "train.txt", f"{id},{label}\n".encode())


def make_json(folder: Path, posts: Sequence[Post]) -> Path:
    path = written(folder / "lines.jsonl", "jsonl", posts)
    with (folder / "sample.json").open("wb") as file, path.open("rb") as lines:
        file.write(b'{"count": 1, "data": [\n')
        for number, line in enumerate(lines):
            file.write((b"," if number else b"") + line)
        file.write(b"]}\n")
    path.unlink()
    return folder / "sample.json"


def add_to_list(path: Path, id: str, label: str) -> None:
    row = json.dumps({"id": id, "text": "added", "label": label}).encode()
    path.write_bytes(path.read_bytes().removesuffix(b"]}\n") + b"," + row + b"]}\n")


def add_task(path: Path, id: str, label: str) -> None:
    choice = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    add_item(path, {"annotations": [{"result": [choice]}], "data": {"id": id, "text": "added", "image": ""}}, "\n]\n")


def make_workbook(folder: Path, posts: Sequence[Post]) -> Path:
    rows = [["id", "text", "image", "label"]]
    for post in posts:
        if post.image is not None:
            (folder / f"{post.id}.jpg").write_bytes(content(post.image) or b"")
        rows.append([post.id, post.text or "", f"{post.id}.jpg" if post.image else "", post.label or ""])
    return workbook(folder / "sample.xlsx", rows)


def workbook(path: Path, rows: Iterable[Sequence[Any]], sheet: str = "posts") -> Path:
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        book.set_properties({"created": datetime(2024, 1, 1)})  # the same bytes at every call
        into = book.add_worksheet(sheet)
        for line, row in enumerate(rows):
            for at, value in enumerate(row):
                into.write_string(line, at, value) if isinstance(value, str) else into.write(line, at, value)
    return path


def add_to_workbook(path: Path, id: str, label: str) -> None:
    rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    workbook(path, [*rows, [id, "added", "", label]])


def make_mvsa(folder: Path, posts: Sequence[Post]) -> Path:
    data = folder / "sample" / "data"
    data.mkdir(parents=True)
    with (folder / "sample" / "labelResultAll.txt").open("w", encoding="utf-8") as listing:
        listing.write("ID\ttext,image\n")
        for post in posts:
            listing.write(f"{post.id}\t{post.label},{post.label}\n")
            write_beside(data, post)
    return folder / "sample"


def write_beside(folder: Path, post: Post) -> None:
    if post.text is not None:
        (folder / f"{post.id}.txt").write_bytes(marked(post.text))
    if post.image is not None:
        (folder / f"{post.id}.jpg").write_bytes(content(post.image) or b"")


def marked(text: str) -> bytes:
    """Return a text in UTF-8. A reader takes U+FEFF at the start for the mark of UTF-8: there it stands twice."""
    return (("\ufeff" if text.startswith("\ufeff") else "") + text).encode()


def add_annotated(folder: Path, id: str, label: str) -> None:
    append(folder / "labelResultAll.txt", f"{id}\t{label},{label}\n".encode())


def make_parts(folder: Path, posts: Sequence[Post]) -> Path:
    third = max(1, len(posts) // 3)
    for start in range(0, len(posts), third):
        written(folder / "sample" / f"part-{start:06d}.jsonl", "jsonl", posts[start : start + third])
    return folder / "sample"


def last_part(folder: Path) -> Path:
    return max(folder.glob("*.jsonl"))


def make_notes(folder: Path, posts: Sequence[Post]) -> Path:
    path = folder / "sample.notes"
    with path.open("wb") as file:
        for post in posts:
            image = None
            if post.image is not None:
                image = folder / f"{post.id}.jpg"
                image.write_bytes(content(post.image) or b"")
            named = {"id": post.id, "label": post.label or "null", "image": image.name if image else ""}
            file.write("".join(f"{name}: {value}\n" for name, value in named.items()).encode())
            file.write(b"" if post.text is None else b"\n" + post.text.encode() + b"\n")
            file.write(b"---\n")
    return path


def add_note(path: Path, id: str, label: str) -> None:
    append(path, f"id: {id}\nlabel: {label}\n\nadded\n---\n".encode())


def make_x_archive(folder: Path, posts: Sequence[Post]) -> Path:
    """Write the folder `data` of an archive: two files of posts, as its program writes them."""
    media = folder / "sample" / "tweets_media"
    media.mkdir(parents=True)
    half = len(posts) // 2 + 1
    for part, some in enumerate((posts[:half], posts[half:])):
        tweets = []
        for post in some:
            tweet = {"id_str": post.id, "label": post.label, "entities": {}, "lang": "en"}
            if post.text is not None:
                tweet["full_text"] = post.text
            if post.image is not None:
                (media / f"{post.id}-Fab_{post.id}.jpg").write_bytes(content(post.image) or b"")
                address = f"https://pbs.twimg.com/media/Fab_{post.id}.jpg"
                tweet["extended_entities"] = {"media": [{"type": "photo", "media_url_https": address}]}
            tweets.append({"tweet": tweet})
        name = f"tweets-part{part}.js" if part else "tweets.js"
        written = json.dumps(tweets, indent=2, ensure_ascii=False)
        (folder / "sample" / name).write_text(f"window.YTD.tweets.part{part} = {written}", "utf-8", newline="")
    return folder / "sample"


def add_tweet(folder: Path, id: str, label: str) -> None:
    add_item(folder / "tweets-part1.js", {"tweet": {"id_str": id, "full_text": "added", "label": label}}, "]")


def make_telegram(folder: Path, posts: Sequence[Post]) -> Path:
    """Write the export of a chat: a text is a string, or a list of strings and of what stands out."""
    photos = folder / "sample" / "photos"
    photos.mkdir(parents=True)
    messages: list[dict[str, object]] = [{"id": 1, "type": "service", "actor": "Ann", "action": "join_group_by_link"}]
    for number, post in enumerate(posts):
        message: dict[str, object] = {"id": post.id, "type": "message", "from_id": "user1", "label": post.label}
        if post.text is not None:
            first, rest = post.text[:3], post.text[3:]
            message["text"] = [{"type": "bold", "text": first}, rest] if number % 3 == 2 else post.text
        if post.image is not None:
            (photos / f"photo_{number}.jpg").write_bytes(content(post.image) or b"")
            message["photo"] = f"photos/photo_{number}.jpg"
        messages.append(message)
    chat = {"name": "Cats", "type": "private_group", "id": 7, "messages": messages}
    export = json.dumps(chat, indent=1, ensure_ascii=False)
    (folder / "sample" / "result.json").write_text(export, "utf-8", newline="")
    return folder / "sample"


def add_message(folder: Path, id: str, label: str) -> None:
    add_item(folder / "result.json", {"id": id, "type": "message", "text": "added", "label": label}, "\n ]\n}")


def add_item(path: Path, item: dict[str, object], end: str) -> None:
    """Add an object to the list that a file ends with."""
    text = path.read_bytes().decode().removesuffix(end)
    path.write_bytes(f"{text},\n{json.dumps(item)}{end}".encode())


def make_reddit(folder: Path, posts: Sequence[Post]) -> Path:
    """Write comments, as a dump has them; whoever has fetched images has noted them."""
    path = folder / "sample.ndjson"
    with path.open("wb") as file:
        for post in posts:
            row = {"subreddit": "cats", "id": post.id, "body": post.text, "label": post.label}
            if post.image is not None:
                row["image"] = f"{post.id}.jpg"
                (folder / row["image"]).write_bytes(content(post.image) or b"")
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return path


def add_comment(path: Path, id: str, label: str) -> None:
    row = {"subreddit": "cats", "id": id, "body": "added", "label": label}
    append(path, json.dumps(row).encode() + b"\n")


def make_weibo(folder: Path, posts: Sequence[Post]) -> Path:
    path = folder / "sample.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "微博正文", "微博图片url", "label", "点赞数"])
        for post in posts:
            name = f"{post.id}.jpg" if post.image else ""
            if post.image is not None:
                (folder / name).write_bytes(content(post.image) or b"")
            table.writerow([f"{post.id}\t", post.text or "", name, post.label, "3"])
    return path


def add_weibo(path: Path, id: str, label: str) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow([id, "added", "", label, "0"])


def content(image: ImageRef | None) -> bytes | None:
    """Return the bytes of an image."""
    if image is None:
        return None
    return image.source.read_bytes() if isinstance(image.source, Path) else image.source


def contents(posts: Iterable[Post], case: Case) -> list[tuple[object, ...]]:
    """Return what a reader must give back of posts."""
    return [
        (post.id, post.text if case.keeps_missing_text else post.text or "", content(post.image), post.label)
        for post in posts
    ]


_OBJECTS = {
    "half an object": b'{"id": "x"\n',
    "no object": b"[1]\n",
    "neither text nor image": b'{"id": "x"}\n',
    "a list as text": b'{"id": "x", "text": [5]}\n',
    "broken base64": b'{"id": "x", "image": {"base64": "*"}}\n',
    "an object as image": b'{"id": "x", "image": {"what": "*"}}\n',
    "brackets without end": b"[" * 100_000 + b"\n",
}

CASES = {
    "csv": Case(
        by_writer("csv"),
        values(","),
        broken={"too many cells": b"x,a,,neutral,more\n", "too few cells": b"x\n", "an open quote": b'x,"a\n1,2,3,4\n'},
        keeps_missing_text=False,
    ),
    "tsv": Case(
        by_writer("tsv"),
        values("\t"),
        broken={"too many cells": b"x\ta\t\tneutral\tmore\n", "too few cells": b"x\n", "an open quote": b'x\t"a\n'},
        keeps_missing_text=False,
    ),
    "jsonl": Case(by_writer("jsonl"), add_object, broken=_OBJECTS),
    "json": Case(make_json, add_to_list, grow=lambda path: append(path, b"more of it")),
    "label_studio": Case(
        by_writer("label_studio"),
        add_task,
        grow=lambda path: append(path, b"more of it"),
        keeps_missing_text=False,
    ),
    "xlsx": Case(
        make_workbook,
        add_to_workbook,
        grow=lambda path: append(path, b"more of it"),
        keeps_missing_text=False,
        holds=lambda text: len(text) < 32_000 and text.replace("\n", "").isprintable(),
    ),
    "parquet": Case(by_writer("parquet"), add_to_table, grow=lambda path: append(path, b"more of it")),
    "guid_tag": Case(
        by_writer("guid_tag"),
        add_guid,
        broken={"too many cells": b"x,neutral,more\n", "too few cells": b"x\n", "an open quote": b'"x,neutral\n'},
        listing=lambda folder: folder / "train.txt",
        beside=True,
    ),
    "mvsa": Case(
        make_mvsa,
        add_annotated,
        broken={
            "too many cells": b"x\tneutral,neutral\tneutral,neutral\n",
            "too few cells": b"x\n",
            "half": b"x\tneutral\n",
        },
        listing=lambda folder: folder / "labelResultAll.txt",
        beside=True,
    ),
    "parts": Case(
        make_parts,
        lambda folder, id, label: add_object(last_part(folder), id, label),
        broken=_OBJECTS,
        listing=last_part,
    ),
    "x_archive": Case(
        make_x_archive,
        add_tweet,
        grow=lambda folder: append(folder / "tweets-part1.js", b" "),
        listing=lambda folder: folder / "tweets-part1.js",
    ),
    "telegram": Case(
        make_telegram,
        add_message,
        grow=lambda folder: append(folder / "result.json", b" "),
        listing=lambda folder: folder / "result.json",
    ),
    "reddit": Case(make_reddit, add_comment, broken={name: _OBJECTS[name] for name in ("half an object", "no object")}),
    "weibo": Case(
        make_weibo,
        add_weibo,
        broken={"too many cells": b"x,a,,neutral,1,more\n", "too few cells": b"x\n", "an open quote": b'x,"a\n1,2\n'},
        keeps_missing_text=False,
    ),
    # The example of a package of a third party, where it is installed: see test_reader_plugins.py.
    "notes": Case(make_notes, add_note, broken={"no key": b"nothing to see\n\ntext\n---\n"}),
}

if _others := os.environ.get("MOODFUSE_READER_CASES"):
    CASES |= importlib.import_module(_others).CASES
NAMES = [name for name in readers() if name in CASES]
every = pytest.mark.parametrize("name", NAMES)
per_example = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)

TEXTS = [
    "plain",
    'two\nlines "quoted", a\ttab, a comma; and a | bar',
    "好的 🙂👩‍👩‍👧 naïve\r\nand\ralone",
    "\ufeffmarked",
    "a lone surrogate is no character: \ufffd",
    " blanks around ",
    "",
    None,
    "null",
    "x" * 1_000_000,
    "=1+1",
    "the last",
]
LABELS = ("negative", "neutral", "positive")


def sample(case: Case, folder: Path, texts: list[str | None]) -> tuple[Path, list[Post]]:
    """Write a post for each text that the format holds, with a label and every other one with an image."""
    texts = [text for text in texts if text is None or case.holds(text)]
    posts = [
        Post(f"p{i}", text, ImageRef(f"image {i}".encode()) if i % 2 else None, LABELS[i % 3])
        for i, text in enumerate(texts)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return case.make(folder, posts), posts


def plain(count: int) -> list[str | None]:
    return [f"text {i}" for i in range(count)]


def attempt(work: Callable[[], list[Post]]) -> list[Post] | str:
    """Return the posts, or the error's line. Nothing but an error of ours may come."""
    try:
        return work()
    except MoodfuseError as error:
        line = str(error)
    assert "\n" not in line
    return line


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail where the block takes longer, also where it waits for a pipe."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"still reading after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
