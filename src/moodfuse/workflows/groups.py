"""Groups of near-duplicates, found once for the same posts and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from moodfuse import files
from moodfuse.data.duplicates import GROUPING, Groups, group_duplicates
from moodfuse.data.posts import Posts
from moodfuse.errors import OutputError
from moodfuse.progress import Progress


@dataclass(frozen=True, slots=True)
class GroupedPosts:
    """Labelled posts, the digest of each by its id, and their groups of near-duplicates."""

    posts: Posts
    digests: Mapping[str, str]
    groups: Groups


def cached_groups(posts: Posts, data_hash: str, progress: Progress) -> Groups:
    """Group the posts, or take what an earlier command on the very same posts (`data_hash`) has found."""
    path = files.make_folder(files.cache_folder() / "groups") / f"{GROUPING}-{data_hash[:32]}.json"
    try:
        return Groups.load(path)
    except (OSError, ValueError, TypeError):  # not there, or not whole: found again below
        groups = group_duplicates(posts, progress=lambda done, total: progress("looking for duplicates", done, total))
        with contextlib.suppress(OutputError):  # a full cache costs the next run time, never this one its result
            groups.save(path)
        return groups
