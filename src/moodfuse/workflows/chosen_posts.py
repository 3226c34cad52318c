"""Which labelled posts a head is fitted on, which test it, and which are neither."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.posts import Post, Posts
from moodfuse.errors import DataError
from moodfuse.progress import Notify, Progress
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.evaluation import split_seen
from moodfuse.workflows.groups import GroupedPosts, cached_groups

#: The column that says how a post was picked for labelling, and its value for those that are kept to test on.
DRAWN, RANDOM = "drawn", "random"


@dataclass(frozen=True, slots=True)
class ChosenPosts:
    """Labelled posts that a bundle has not seen, by what they are for."""

    grouped: GroupedPosts
    data_sha256: str
    fitted: list[str]
    #: drawn at random, to test on
    drawn: list[str]
    #: why how many others were left out
    left_out: dict[str, int]


def choose_posts(posts: Posts, predictor: Predictor, notify: Notify, progress: Progress) -> ChosenPosts:
    """Choose among posts: what has no label, two labels, or was seen in the bundle's training is left out, and told.

    Where a column `drawn` calls some posts random and others not, the random ones test, and no near-duplicate of theirs
    is fitted on. Raises `DataError` where no post has a label.
    """
    labelled = posts.labelled()
    if not len(labelled):
        raise DataError(f"{posts.source}: no post has a label; adapting needs a column `label` (--columns label=NAME)")
    digests = post_digests(labelled)
    sha256 = data_sha256(labelled, digests)
    groups = cached_groups(labelled, sha256, progress)
    fresh, seen = split_seen(predictor, labelled, groups)
    unsure = _with_two_labels(fresh, digests)
    wanted = [post for post in fresh if post.id not in unsure]
    drawn = [post.id for post in wanted if _at_random(post)]
    if len(drawn) == len(wanted):  # then cross-validation is a test on random posts
        drawn = []
    tested = {groups.group_of[id] for id in drawn}
    fitted = [post.id for post in wanted if not drawn or groups.group_of[post.id] not in tested]
    left_out = {
        "without a label": len(posts) - len(labelled),
        "that the bundle has seen in its training, or near-duplicates of them": seen,
        "whose text and image stand twice, with two labels": len(unsure),
        "that are near-duplicates of random ones": len(wanted) - len(drawn) - len(fitted),
    }
    left_out = {reason: count for reason, count in left_out.items() if count}
    for reason, count in left_out.items():
        notify(f"left out: {count} posts {reason}")
    return ChosenPosts(GroupedPosts(labelled, digests, groups), sha256, fitted, drawn, left_out)


def _with_two_labels(posts: Posts, digests: dict[str, str]) -> set[str]:
    """Return the ids of posts of which another has the same text and image, and another label."""
    labels: dict[str, set[str | None]] = defaultdict(set)
    for post in posts:
        labels[digests[post.id]].add(post.label)
    return {post.id for post in posts if len(labels[digests[post.id]]) > 1}


def _at_random(post: Post) -> bool:
    return any(
        name.strip().lower() == DRAWN and str(value).strip().lower() == RANDOM
        for name, value in (post.fields or {}).items()
    )
