"""From posts to files: the writer of a format is asked for by its name, or by what a file's name ends with."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from moodfuse.data.formats.base import Target, Writer
from moodfuse.data.formats.image_files import ImagePaths, bytes_to_embed
from moodfuse.data.formats.registry import format_name, writers
from moodfuse.data.posts import Post
from moodfuse.errors import ConfigError, OutputError, suggest
from moodfuse.files import make_folder, replacing


def destination_format(path: Path) -> str:
    """Return the format that the name of a destination asks for. Raises `ConfigError` where it asks for none."""
    for name, candidate in writers().items():
        if any(path.name.lower().endswith(end) if end else not path.suffix for end in candidate.suffixes):
            return name
    raise ConfigError(f"{path}: its name tells no format; say which: --to {', '.join(writers())}")


@contextmanager
def start_writing(target: Target, format: str) -> Iterator[Callable[[Post], None]]:
    """Give the function that writes a post to `target`, which takes its place when the block has ended well.

    Raises `OutputError` where something is there already, `ConfigError` for what the format cannot do.
    """
    known = writers()
    if (name := format_name(format)) not in known:
        raise ConfigError(suggest(format, known, what="--to"))
    chosen = known[name]
    if target.embed and not chosen.embeds:
        able = ", ".join(other for other, writer in known.items() if writer.embeds)
        raise ConfigError(f"--embed: {name} cannot hold images; {able} can")
    _refuse_what_is_there(target, folder="" in chosen.suffixes)
    make_folder(target.path.parent)
    with chosen.open(target) as write:
        yield write


def _refuse_what_is_there(target: Target, *, folder: bool) -> None:
    path = target.path
    if path.is_dir() and not folder:
        raise OutputError(f"{path}: is a folder; name a file")
    if path.is_dir() and any(path.iterdir()):
        raise OutputError(f"{path}: the folder is not empty; name a new one, or empty it first")
    if path.is_file() and folder:
        raise OutputError(f"{path}: the file exists already; name a new folder")
    if path.is_file() and path.stat().st_size and not target.force:
        raise OutputError(f"{path}: the file exists already; name another, or write over it with --force")


class LineWriter(Writer):
    """A format with a line for each post."""

    header = b""

    @abstractmethod
    def line(self, post: Post, images: list[str | dict[str, str]]) -> bytes:
        """Return a post's line; `images` are paths relative to the file, addresses, or base64."""

    @contextmanager
    def open(self, target: Target) -> Iterator[Callable[[Post], None]]:
        with ExitStack() as stack:
            file = stack.enter_context(replacing(target.path))
            paths = ImagePaths(target.path, target.notes, stack, force=target.force)
            file.write(self.header)

            def write(post: Post) -> None:
                images: list[str | dict[str, str]]
                if target.embed:
                    found = [bytes_to_embed(image, target.notes, target.home) for image in post.images]
                    images = [{"base64": base64.b64encode(data).decode()} for data in found if data is not None]
                else:
                    images = [*paths.paths_of(post.images)]
                file.write(self.line(post, images))

            yield write
