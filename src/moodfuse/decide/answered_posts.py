"""Single posts out of a file of answers, with their images: what a person is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Role
from moodfuse.data.formats.files_beside import files_beside
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.decide.answer_columns import AnswerColumns, find_answer, parts, role_columns


@dataclass(frozen=True, slots=True)
class AnsweredPost:
    """A post, and which state its text and image were in. `row` counts the rows of the answers from 0."""

    row: int
    post: Post
    status: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What tells this post from another one in its row: its id and its text."""
        text = f"{self.post.id}\0{self.post.text or ''}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Where the parts of answered posts stand: in which columns of a file, and in which folder.

    `columns` are those of the posts themselves. Where none of them is a text or an image, both lie in files that are
    named by the id, in the folder or in its `data`.
    """

    columns: tuple[str, ...]
    answer: AnswerColumns
    roles: Mapping[Role, list[str]]
    folder: Path
    #: whether images are fetched that are named by an address
    remote: bool = False

    @classmethod
    def of(
        cls, fields: Mapping[str, Any], where: str, folder: Path, columns: Mapping[Role, str], *, remote: bool = False
    ) -> AnswerSource:
        """Find out where they stand from the file's columns, with the values of its first post.

        Raises `DataError` for a file without answers.
        """
        answer = find_answer(fields, where)
        own = {name: None for name in fields if name not in answer.names}
        return cls(tuple(own), answer, role_columns(own, columns, where), folder, remote)

    @property
    def beside(self) -> bool:
        """Whether texts and images are files of their own."""
        return not (self.roles.get("text") or self.roles.get("image"))

    def pick(self, posts: Iterable[Post], rows: Collection[int]) -> dict[int, AnsweredPost]:
        """Return the posts that stand in these rows, by row; the last of them ends the reading."""
        wanted, last = frozenset(rows), max(rows, default=-1)
        found: dict[int, AnsweredPost] = {}
        for row, post in enumerate(posts):
            if row in wanted:
                status = tuple(parts((post.fields or {}).get(self.answer.status))) if self.answer.status else ()
                found[row] = AnsweredPost(row, self._with_images(post), status)
            if row >= last:
                break
        return found

    def _with_images(self, post: Post) -> Post:
        text, images = post.text, list[ImageRef]()
        if self.beside:
            for folder in (self.folder, self.folder / "data"):
                decoded, beside = files_beside(folder, post.id, strict=False)
                if decoded is not None or beside:
                    text, images = None if decoded is None else decoded.text, list(beside)
                    break
        for name in self.roles.get("image", ()):
            images += image_refs(self.folder, (post.fields or {}).get(name))
        if self.remote:
            images = [replace(one, follow=True) if isinstance(one, ImageUri) else one for one in images]
        return replace(post, text=text, image=images[0] if images else None, more_images=tuple(images[1:]))
