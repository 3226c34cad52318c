"""Corpora that only ever train (`data.also_train`): read, and cleared of what the run's own posts hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from moodfuse.config import Config
from moodfuse.data.corpora import NO_CORPORA, Corpora
from moodfuse.data.digests import data_sha256, post_digests
from moodfuse.data.duplicates import Groups
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.errors import DataError
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress
from moodfuse.records.configuration import TrainedAlong
from moodfuse.workflows.groups import cached_groups


@dataclass(frozen=True, slots=True)
class ReadCorpora:
    """Corpora that are ready to train, what is told of each, a hash of all that was read, their digests and marks."""

    corpora: Corpora = NO_CORPORA
    facts: Sequence[TrainedAlong] = ()
    sha256: str = ""
    digests: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()


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
    groups = _grouped(posts, every, data_sha256(posts, digests, sha256), progress)
    taken = {groups.group_of[i] for i in posts.ids}
    kept = [Posts((p for p in found if groups.group_of[p.id] not in taken), source=found.source) for found in read]
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
    marks = frozenset(mark for i in every.ids for mark in groups.marks.get(i, ()))
    return ReadCorpora(Corpora(every, shares), facts, sha256, frozenset(read_digests[i] for i in every.ids), marks)


def _grouped(posts: Posts, others: Posts, key: str, progress: Progress) -> Groups:
    """Return the groups of near-duplicates among `posts` and `others`."""
    if clash := set(posts.ids) & set(others.ids):
        raise DataError(f"{posts.source}: id {min(clash)!r} begins as those of data.also_train do; rename it")
    if not any(post.images for post in others):  # texts alone: no image need be decoded
        posts = Posts((post.only("text") for post in posts), source=posts.source)
    return cached_groups(Posts([*posts, *others]), key, progress)
