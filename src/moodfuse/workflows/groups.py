"""Groups of near-duplicates, computed once for the same posts and cached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moodfuse import files
from moodfuse.data.duplicates import GROUPING, Groups, group_duplicates
from moodfuse.data.posts import Posts
from moodfuse.errors import OutputError
from moodfuse.progress import Progress


@dataclass(frozen=True, slots=True)
class GroupedPosts:
    """Labelled posts, their digests by id, and their groups of near-duplicates."""

    posts: Posts
    digests: Mapping[str, str]
    groups: Groups

    def marks(self, ids: Iterable[str]) -> set[str]:
        """Return the marks of these posts."""
        return {mark for id in ids for mark in self.groups.marks.get(id, ())}


def cached_groups(posts: Posts, data_hash: str, progress: Progress) -> Groups:
    """Return the groups of the posts, from the cache if an earlier command had the same posts (`data_hash`)."""
    path = files.make_folder(files.cache_folder() / "groups") / f"{GROUPING}-{data_hash[:32]}.json"
    try:
        return Groups.load(path)
    except (OSError, ValueError, TypeError):  # missing or incomplete: computed again
        groups = group_duplicates(posts, progress=progress)
        with contextlib.suppress(OutputError):  # with a full cache, the next run computes the groups again
            groups.save(path)
        return groups
