"""From posts to files. A writer is one class, registered under the name of the format that reads it back."""

from __future__ import annotations

import base64
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Importing a format registers it.
from moodfuse.data.formats import guid_tag, parquet  # noqa: F401
from moodfuse.data.formats.base import WRITERS, Target, Writer, writer
from moodfuse.data.formats.guid_tag import csv_line
from moodfuse.data.formats.image_files import ImagePaths, image_bytes
from moodfuse.data.posts import Post
from moodfuse.errors import ConfigError, OutputError, suggest
from moodfuse.files import make_folder, replacing

__all__ = ["WRITERS", "Target", "Writer", "destination_format", "start_writing", "writer"]


def destination_format(path: Path) -> str:
    """Return the format that the name of a destination asks for. Raises `ConfigError` where it asks for none."""
    for name, candidate in WRITERS.items():
        if path.suffix.lower() in candidate.suffixes:
            return name
    raise ConfigError(f"{path}: its name tells no format; say which: --to {', '.join(WRITERS)}")


@contextmanager
def start_writing(target: Target, format: str) -> Iterator[Callable[[Post], None]]:
    """Give the function that writes a post to `target`, which takes its place when the block has ended well.

    Raises `OutputError` where something is there already, `ConfigError` for what the format cannot do.
    """
    if format not in WRITERS:
        raise ConfigError(suggest(format, WRITERS, what="--to"))
    chosen = WRITERS[format]
    if target.embed and not chosen.embeds:
        able = ", ".join(name for name, one in WRITERS.items() if one.embeds)
        raise ConfigError(f"--embed: {format} cannot hold images; {able} can")
    _refuse_what_is_there(target.path, folder="" in chosen.suffixes)
    make_folder(target.path.parent)
    with chosen.open(target) as write:
        yield write


def _refuse_what_is_there(path: Path, *, folder: bool) -> None:
    if path.is_dir() and not folder:
        raise OutputError(f"{path}: is a folder; name a file")
    if path.is_dir() and any(path.iterdir()):
        raise OutputError(f"{path}: the folder is not empty; name a new one, or empty it first")
    if path.is_file() and (folder or path.stat().st_size):
        raise OutputError(f"{path}: the file exists already; name another, or remove it first")


class LineWriter(Writer):
    """A format with a line for each post."""

    header = b""

    @abstractmethod
    def line(self, post: Post, image: str | dict[str, str] | None) -> bytes:
        """Return a post's line; `image` is a path relative to the file, or base64."""

    @contextmanager
    def open(self, target: Target) -> Iterator[Callable[[Post], None]]:
        with ExitStack() as stack:
            file = stack.enter_context(replacing(target.path))
            paths = ImagePaths(target.path, target.notes, stack)
            file.write(self.header)

            def write(post: Post) -> None:
                image: str | dict[str, str] | None
                if target.embed:
                    data = image_bytes(post.image, target.notes)
                    image = None if data is None else {"base64": base64.b64encode(data).decode()}
                else:
                    image = paths.path_of(post.image)
                file.write(self.line(post, image))

            yield write


@writer("csv")
class CsvWriter(LineWriter):
    """id, text, image (a path relative to the file), label. A missing text becomes an empty one."""

    suffixes = (".csv",)
    header = b"id,text,image,label\n"
    delimiter = ","
    keeps_missing_text = False

    def line(self, post: Post, image: str | dict[str, str] | None) -> bytes:
        return csv_line([post.id, post.text or "", str(image or ""), post.label or ""], self.delimiter)


@writer("tsv")
class TsvWriter(CsvWriter):
    """As CSV, with tabs."""

    suffixes = (".tsv",)
    header = b"id\ttext\timage\tlabel\n"
    delimiter = "\t"


@writer("jsonl")
class JsonLinesWriter(LineWriter):
    """One JSON object a line: id, text, image (a path, or {"base64": ...}), label; `null` is nothing."""

    suffixes = (".jsonl", ".ndjson")
    embeds = True

    def line(self, post: Post, image: str | dict[str, str] | None) -> bytes:
        row = {"id": post.id, "text": post.text, "image": image, "label": post.label}
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
