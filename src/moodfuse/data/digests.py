"""Digests of posts: what a run or a bundle knows its posts by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from moodfuse.data.fetching import fetch_ahead
from moodfuse.data.images import image_bytes, read_of
from moodfuse.data.posts import Posts


def post_digest(text: str | None, *images: bytes | None) -> str:
    """Return 16 hexadecimal digits that a post with this text and the bytes of these images always has."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (b"" if text is None else text.strip().encode("utf-8", "replace"), *(images or (None,))):
        digest.update(len(part or b"").to_bytes(8, "big") + (part or b""))
    return digest.hexdigest()


def post_digests(posts: Posts) -> dict[str, str]:
    """Return `post_digest` of every post, by id."""
    fetch_ahead(image for post in posts for image in read_of(post.images))
    return {post.id: post_digest(post.text, *map(image_bytes, read_of(post.images))) for post in posts}


def data_sha256(posts: Posts, digests: Mapping[str, str], extra: str = "") -> str:
    """Return one hash of ids, labels, texts and images, in order (and of `extra`)."""
    rows = [[post.id, post.label, digests[post.id]] for post in posts]
    return hashlib.sha256(json.dumps([rows, extra]).encode()).hexdigest()
