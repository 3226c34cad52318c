"""Corpora that only ever train (`data.also_train`): read, and cleared of what the run's own posts hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from moodfuse.config import Config
from moodfuse.data.corpora import NO_CORPORA, Corpora
from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import DataError
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress
from moodfuse.records.configuration import TrainedAlong
from moodfuse.workflows.groups import cached_groups


@dataclass(frozen=True, slots=True)
class ReadCorpora:
    """Corpora that are ready to train, what is told of each, a hash of all that was read, and the posts' digests."""

    corpora: Corpora = NO_CORPORA
    facts: Sequence[TrainedAlong] = ()
    sha256: str = ""
    digests: frozenset[str] = frozenset()


def read_corpora(
    config: Config, posts: Posts, digests: Mapping[str, str], progress: Progress, notify: Notify
) -> ReadCorpora:
    """Read the corpora of `data.also_train`; leave out near-duplicates of any of `posts`, whatever part they are in.

    `digests` are those of `posts`, by id. Raises `DataError` for a file that cannot be read, or holds no post with one
    of the run's labels.
    """
    if not config.data.also_train:
        return ReadCorpora()
    read: list[Posts] = []
    for number, corpus in enumerate(config.data.also_train):
        found = read_posts(corpus.path, labels=Labels(config.labels), notify=notify).labelled()
        if not len(found):
            raise DataError(f"{corpus.path}: no post has a label; data.also_train needs labelled posts")
        read.append(Posts((replace(post, id=f"also-{number}/{post.id}") for post in found), source=corpus.path))
    every = Posts(post for found in read for post in found)
    read_digests = post_digests(every)
    sha256 = data_sha256(every, read_digests)
    known = _near(posts, every, data_sha256(posts, digests, sha256), progress)
    kept = [Posts((post for post in found if post.id not in known), source=found.source) for found in read]
    facts = []
    for corpus, found, left in zip(config.data.also_train, read, kept, strict=True):
        facts.append(
            TrainedAlong(source=corpus.path, posts=len(left), left_out=len(found) - len(left), share=corpus.share)
        )
        notify(facts[-1].sentence())
        if not len(left):
            raise DataError(f"{corpus.path}: every post is a near-duplicate of a post of {posts.source}")
    shares = [(len(left), corpus.share) for left, corpus in zip(kept, config.data.also_train, strict=True)]
    every = Posts(post for left in kept for post in left)
    return ReadCorpora(Corpora(every, shares), facts, sha256, frozenset(read_digests[i] for i in every.ids))


def _near(posts: Posts, others: Posts, key: str, progress: Progress) -> set[str]:
    """Return the ids of `others` that are near-duplicates of any of `posts`."""
    known = set(posts.ids)
    if clash := known & set(others.ids):
        raise DataError(f"{posts.source}: id {min(clash)!r} begins as those of data.also_train do; rename it")
    if not any(post.images for post in others):  # texts alone: no image need be decoded
        posts = Posts((post.only("text") for post in posts), source=posts.source)
    groups = cached_groups(Posts([*posts, *others]), key, progress).group_of
    taken = {groups[i] for i in known}
    return {i for i in others.ids if groups[i] in taken}
