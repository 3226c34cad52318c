"""Samples: what scikit-learn calls X, as posts. Whoever takes posts from Python takes them in these shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodfuse.data.posts import Post, Posts
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT, Labels

if TYPE_CHECKING:
    from moodfuse.data.formats.base import Part

#: A path, a data frame or another table (its columns are known by their names), or posts one by one. Each of these is
#: a `Post`, a text, a pair (text, image), a mapping with the keys text and image, or `None` for a post of neither.
#: An image is a path, an address, bytes, a Pillow image, or a list of them.
Samples = Any


def stream_samples(X: Samples, labels: Labels = SENTIMENT, *, part: Part = "predict") -> Iterator[Post]:
    """Yield the posts of samples whose labels do not matter. Ids may repeat; without ids they count from 1.

    Of a guid,tag folder, the part to predict is test_without_label.txt. Raises `DataError` for what is no sample.
    """
    from moodfuse.data.formats.readers import stream_posts

    if _is_read_whole(X):
        return stream_posts(X, part=part, strict=False, labels=labels)
    first, items = _peek(X)
    return _posts(items) if isinstance(first, Post) else stream_posts(_records(items), strict=False, labels=labels)


def labelled_samples(X: Samples, labels: Labels) -> Posts:
    """Return samples that hold their labels. Raises `DataError` for an unknown label and an id that stands twice."""
    from moodfuse.data.formats.readers import read_posts

    if isinstance(X, Posts):
        return X
    if _is_read_whole(X):
        return read_posts(X, labels=labels)
    first, items = _peek(X)
    return Posts(_posts(items)) if isinstance(first, Post) else read_posts([*_records(items)], labels=labels)


def _is_read_whole(X: Samples) -> bool:
    """Say whether this is a path or a table, or nothing that holds samples: the readers know which, and say so."""
    if isinstance(X, str | bytes | Path | Mapping) or not isinstance(X, Iterable):
        return True
    return hasattr(X, "columns") or hasattr(X, "column_names")


def _peek(X: Samples) -> tuple[Any, Iterator[Any]]:
    """Return the first sample, `None` where there is none, and all of them."""
    if hasattr(X, "iloc"):  # a pandas column: one kind of nothing, None
        X = X.astype(object).where(X.notna(), None)
    items = iter(X)
    first = [*islice(items, 1)]
    return (first[0] if first else None), chain(first, items)


def _posts(items: Iterable[Any]) -> Iterator[Post]:
    for item in items:
        if not isinstance(item, Post):
            raise _no_sample(item)
        yield item


def _records(items: Iterable[Any]) -> Iterator[Mapping[Any, Any]]:
    for item in items:
        if isinstance(item, Mapping):
            yield item
        elif item is None or isinstance(item, str) or (isinstance(item, float) and math.isnan(item)):
            yield {"text": item}
        elif isinstance(item, tuple | list) and len(item) == 2 and (item[0] is None or isinstance(item[0], str)):
            yield {"text": item[0], "image": item[1]}
        else:
            raise _no_sample(item)


def _no_sample(item: Any) -> DataError:
    return DataError(
        "expected moodfuse.Post objects or a path, found "
        f"{type(item).__name__}; texts, pairs (text, image), mappings with the keys text and image, and data frames "
        "will do too, but all of one kind"
    )
