"""A post, where its image lies, and a collection of posts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, cast, overload

from moodfuse.config import Modality
from moodfuse.errors import DataError


class Status(StrEnum):
    """What became of a post's text and image on the way to the model. A closed set."""

    OK = "ok"
    TEXT_MISSING = "text_missing"
    TEXT_EMPTY = "text_empty"
    TEXT_TRUNCATED = "text_truncated"
    TEXT_DECODED_LOSSY = "text_decoded_lossy"
    TEXT_DECODED_GUESS = "text_decoded_guess"
    TEXT_NOT_UNDERSTOOD = "text_not_understood"
    LANGUAGE_NOT_COVERED = "language_not_covered"
    IMAGE_MISSING = "image_missing"
    IMAGE_NOT_FOUND = "image_not_found"
    IMAGE_NOT_FETCHED = "image_not_fetched"
    IMAGE_FORMAT_UNKNOWN = "image_format_unknown"
    IMAGE_UNREADABLE = "image_unreadable"
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_TOO_COSTLY = "image_too_costly"
    NOTHING_TO_READ = "nothing_to_read"


#: An answer with one of these is to be checked by hand, however sure it looks.
UNREAD = frozenset({Status.NOTHING_TO_READ, Status.TEXT_NOT_UNDERSTOOD, Status.LANGUAGE_NOT_COVERED})


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An encoded image that has not been decoded yet: a file's path, or its bytes."""

    source: Path | bytes


@dataclass(frozen=True, slots=True)
class ImageUri(ImageRef):
    """An encoded image that is named by an address (https://, s3://, gs://, hdfs:// ...); `source` is empty.

    It is fetched only where `follow` says so: a table of posts may come from anywhere.
    """

    uri: str
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """Why an image could not be read; `detail` says what a status alone does not: where it was looked for."""

    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """One post as it was read.

    `text` is `None` where there is none (no file, an empty cell means an empty text instead); `image` is
    `None` where none is named. `encoding` is the one its text bytes were
    decoded with, `None` where the source was text already; `lossy` says that characters were replaced then, `guessed`
    that the encoding was a guess. `more_images` stand beside `image`. `fields` are the values of all of the source's
    columns by name, where they were asked for.
    """

    id: str
    text: str | None = None
    image: ImageRef | None = None
    label: str | None = None
    encoding: str | None = None
    lossy: bool = False
    guessed: bool = False
    more_images: tuple[ImageRef, ...] = ()
    fields: Mapping[str, Any] | None = None

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """Every image of the post, in order."""
        return self.more_images if self.image is None else (self.image, *self.more_images)

    def only(self, modality: Modality | None) -> Post:
        """Return the post with nothing but this modality to read; `None` returns it as it is."""
        if modality is None:
            return self
        if modality == "text":
            return replace(self, image=None, more_images=())
        return replace(self, text=None, lossy=False, guessed=False)


# What is frozen sets each field past its own lock; this sets them and turns into a post, in a third of the time.
_Draft = make_dataclass("_Draft", [(one.name, Any) for one in fields(Post)], slots=True)


def post_of(*values: Any) -> Post:
    """Return the post of all its fields' values, in their order: `Post` itself is slow where a million are made."""
    post: Any = _Draft(*values)
    post.__class__ = Post
    return cast("Post", post)


class Posts(Sequence[Post]):
    """Posts in order, with different ids. Images stay references until somebody decodes them.

    `dropped` counts, by reason, posts that the source's format leaves out by a rule of its own (MVSA's, for one).
    """

    def __init__(
        self, posts: Iterable[Post], *, source: str = "posts", dropped: Mapping[str, int] | None = None
    ) -> None:
        self._posts = tuple(posts)
        self._index = {post.id: i for i, post in enumerate(self._posts)}
        self.source = source
        self.dropped = dict(dropped or {})
        if len(self._index) != len(self._posts):
            twice = [i for i, n in Counter(post.id for post in self._posts).items() if n > 1]
            raise DataError(
                f"{source}: id {twice[0]!r} stands for more than one post "
                f"({len(twice)} such ids); give every post an id of its own"
            )

    def __len__(self) -> int:
        return len(self._posts)

    def __iter__(self) -> Iterator[Post]:
        return iter(self._posts)

    @overload
    def __getitem__(self, index: int) -> Post: ...
    @overload
    def __getitem__(self, index: slice) -> Posts: ...
    def __getitem__(self, index: int | slice) -> Post | Posts:
        if isinstance(index, slice):
            return Posts(self._posts[index], source=self.source)
        return self._posts[index]

    @property
    def ids(self) -> list[str]:
        return [post.id for post in self._posts]

    @property
    def labels(self) -> list[str | None]:
        return [post.label for post in self._posts]

    @property
    def modalities(self) -> frozenset[Modality]:
        """What any post has or names, readable or not."""
        named: dict[Modality, bool] = {
            "text": any(post.text for post in self),
            "image": any(post.images for post in self),
        }
        return frozenset(modality for modality, found in named.items() if found)

    def subset(self, ids: Iterable[str]) -> Posts:
        """Return the posts with these ids, in the order of `ids`. Raises `DataError` for an id unknown here."""
        try:
            return Posts((self._posts[self._index[i]] for i in ids), source=self.source)
        except KeyError as error:
            raise DataError(f"{self.source}: no post has the id {error.args[0]!r}") from None

    def labelled(self) -> Posts:
        """Return the posts that have a label."""
        return Posts((post for post in self._posts if post.label is not None), source=self.source)
