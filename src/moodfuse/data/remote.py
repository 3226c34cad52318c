"""Images that another file system holds, read through pyarrow: s3://, gs://, hdfs://, abfs://, file://."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from moodfuse.data.posts import Status
from moodfuse.errors import MissingExtraError


def read_uri(uri: str, limit: int) -> bytes | Status:
    """Return the bytes that `uri` names, or why there are none: of more than `limit`, none.

    Raises `MissingExtraError` without pyarrow, and nothing else: what a table of posts names may be anything.
    """
    arrow = pyarrow_fs()
    try:
        system, path = _place(uri)
        info = system.get_file_info(path)
        if info.type == arrow.FileType.NotFound:
            return Status.IMAGE_MISSING
        if info.type != arrow.FileType.File:
            return Status.IMAGE_UNREADABLE
        if (info.size or 0) > limit:
            return Status.IMAGE_TOO_LARGE
        with system.open_input_stream(path) as stream:
            return bytes(stream.read(limit + 1))
    except FileNotFoundError:
        return Status.IMAGE_MISSING
    except Exception:  # a store's client raises anything, and one post must not end a job
        return Status.IMAGE_UNREADABLE


def pyarrow_fs() -> Any:
    """Return pyarrow's file systems. Raises `MissingExtraError` where it is not installed."""
    try:
        import pyarrow.fs
    except ImportError as error:
        raise MissingExtraError(
            f"images named by a URI need {error.name}, which is not installed; pip install 'moodfuse[tables]'"
        ) from None
    return pyarrow.fs


def _place(uri: str) -> tuple[Any, str]:
    parts = urlsplit(uri)
    system, root = _system(parts.scheme, parts.netloc, parts.query)
    # The path stands behind the store's name (a bucket) where there is one, as it is: nothing in it is unquoted.
    return system, f"{root}{parts.path}"


@lru_cache(maxsize=64)
def _system(scheme: str, store: str, query: str) -> tuple[Any, str]:
    """Return the file system of a store, made once, and how paths in it begin."""
    system, path = pyarrow_fs().FileSystem.from_uri(f"{scheme}://{store}/{'?' + query if query else ''}")
    return system, str(path).rstrip("/")
