"""Images that are named by an address: of the web, and of the stores that pyarrow reads (s3://, gs://, hdfs:// ...)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from moodfuse.data.fetching import fetcher, is_web
from moodfuse.data.posts import ImageUri, Status, Unread
from moodfuse.errors import MissingExtraError, in_a_line


def read_uri(ref: ImageUri, limit: int) -> bytes | Unread:
    """Return the bytes that an address names, or why there are none: of more than `limit`, none.

    Raises `MissingExtraError` for a store without pyarrow, and nothing else: a table of posts may name anything.
    """
    if not ref.follow:
        return Unread(Status.IMAGE_NOT_FETCHED, "--remote-images fetches it")
    if is_web(ref.uri):
        return fetcher().read(ref.uri)
    try:
        return _read_stored(ref.uri, limit)
    except MissingExtraError:
        raise
    except FileNotFoundError:
        return Unread(Status.IMAGE_NOT_FETCHED, "not found")
    except Exception as error:  # a store's client raises anything, and one post must not end a job
        return Unread(Status.IMAGE_NOT_FETCHED, in_a_line(error))


def _read_stored(uri: str, limit: int) -> bytes | Unread:
    arrow = pyarrow_fs()
    system, path = _place(uri)
    info = system.get_file_info(path)
    if info.type != arrow.FileType.File:
        found = "not found" if info.type == arrow.FileType.NotFound else "not a file"
        return Unread(Status.IMAGE_NOT_FETCHED, found)
    if (info.size or 0) > limit:
        return Unread(Status.IMAGE_TOO_LARGE)
    with system.open_input_stream(path) as stream:
        return bytes(stream.read(limit + 1))


def pyarrow_fs() -> Any:
    """Return pyarrow's file systems. Raises `MissingExtraError` where it is not installed."""
    try:
        import pyarrow.fs
    except ImportError as error:
        raise MissingExtraError(
            f"images in a store need {error.name}, which is not installed; pip install 'moodfuse[tables]'"
        ) from None
    return pyarrow.fs


def _place(uri: str) -> tuple[Any, str]:
    parts = urlsplit(uri)
    system, root = _system(parts.scheme.lower(), parts.netloc, parts.query)
    # The path stands behind the store's name (a bucket) where there is one, as it is: nothing in it is unquoted.
    return system, f"{root}{parts.path}"


@lru_cache(maxsize=64)
def _system(scheme: str, store: str, query: str) -> tuple[Any, str]:
    """Return the file system of a store, made once, and how paths in it begin."""
    system, path = pyarrow_fs().FileSystem.from_uri(f"{scheme}://{store}/{'?' + query if query else ''}")
    return system, str(path).rstrip("/")
