"""The labelled posts among those that were read: what trains, is searched on and compared."""

from __future__ import annotations

from moodfuse.data.posts import Posts
from moodfuse.errors import DataError
from moodfuse.progress import Notify


def labelled_posts(posts: Posts, notify: Notify) -> Posts:
    """Return the posts that have a label; tell how many have none, and how many the format's own rule left out.

    Raises `DataError` where none has one.
    """
    labelled = posts.labelled()
    if not len(labelled):
        raise DataError(f"{posts.source}: no post has a label; training needs labelled posts")
    for reason, count in posts.dropped.items():
        notify(f"{count} posts dropped on reading: {reason}")
    if left_out := len(posts) - len(labelled):
        notify(f"{left_out} of {len(posts)} posts have no label and are left out")
    return labelled
