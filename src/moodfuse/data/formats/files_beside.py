"""The texts and images that lie beside a list, named by its ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from moodfuse.data.formats.encodings import decode
from moodfuse.data.formats.fields import held_in, in_words, names_files
from moodfuse.data.formats.lines import cannot_read, open_file, read_capped
from moodfuse.data.image_finding import IMAGE_SUFFIXES, find_beside
from moodfuse.data.posts import ImageRef
from moodfuse.data.text import Decoded
from moodfuse.errors import DataError

_MAX_TEXT_BYTES = 16 * 2**20


def files_beside(folder: Path, guid: str, strict: bool) -> tuple[Decoded | None, tuple[ImageRef, ...]]:
    """Read GUID.txt and find GUID.jpg (or another image) in `folder`; `None` and () where they are not there.

    Suffixes count in any case. A guid that could name a file elsewhere has no files. Raises `DataError` if `strict`
    and the text may not be read.
    """
    if not names_files(guid):
        return None, ()
    found = find_beside(folder, guid, IMAGE_SUFFIXES)
    images = () if found is None else (ImageRef(found),)
    text = find_beside(folder, guid, (".txt",))
    if text is None:
        return None, images
    try:
        with open_file(text) as file:
            return decode(read_capped(file, _MAX_TEXT_BYTES)), images
    except (OSError, DataError) as error:
        if not strict or isinstance(error, FileNotFoundError):
            return None, images
        if isinstance(error, OSError):
            cannot_read(text, error)
        raise


def refuse_if_none_has_files(listing: Path, folder: Path, guids: Iterator[str]) -> None:
    """Raise `DataError` where there are guids and no one has a text or an image in `folder`."""
    tried = ""
    for guid in guids:
        if names_files(guid) and (find_beside(folder, guid, (".txt",)) or find_beside(folder, guid, IMAGE_SUFFIXES)):
            return
        tried = tried or guid[:80]
    if tried:
        raise DataError(
            f"{listing}: expected the posts' texts and images in {folder}, found none of any post; "
            f"looked for {tried}.txt and {tried}.jpg, the folder holds {in_words(held_in(folder))}; "
            "give the files the names that the list has, or mend the list's ids"
        )
