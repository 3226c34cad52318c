"""Which posts are near-duplicates of one another, so that no split parts them.

Two posts belong together when they share a text group or an image group. Fuzzy nearness is always to a
group's first member, its leader, never through a chain of near neighbours; sharing is exact from there on.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from moodfuse.data.images import each_image, image_bytes, look_at
from moodfuse.data.near import near_hashes, near_texts
from moodfuse.data.posts import ImageRef, Posts
from moodfuse.errors import MissingExtraError
from moodfuse.files import write_json
from moodfuse.progress import Progress, silent

try:
    import imagehash
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
except ImportError as error:
    raise MissingExtraError(
        f"finding near-duplicates needs {error.name}, which is not installed; pip install 'moodfuse[eval]'"
    ) from error

#: Least Levenshtein similarity, 1 - distance / longer length, of two cleaned texts that are one.
TEXT_SIMILARITY = 0.9
#: Characters of a cleaned text that are compared.
TEXT_LENGTH = 1000
#: A text of fewer words says too little to call two posts the same.
FEWEST_WORDS = 3
#: Most bits of 64 in which the perceptual hashes of one picture differ. On 4,511 real posts copies lie within 4
#: (re-encoding moves 0 to 4 bits) and different pictures start at 10.
IMAGE_DISTANCE = 4
#: Least standard deviation of a picture's grey levels (0..255) for its perceptual hash to mean anything.
LEAST_CONTRAST = 6.0

#: Names the rules above and below: raise it when they change, so that groups kept under it are found anew.
GROUPING = "2"

_PICTURE = "picture:"  # begins the mark of an image that has perceptual bits

_NOISE = re.compile(r"https?://\S*|www\.\S+|@\w+|\brt\b")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
# Chinese, Japanese and Thai put no blanks between words: each of their characters counts as one.
_WORD = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one image from another: the digest of its bytes, and 64 perceptual bits unless it is nearly flat."""

    digest: bytes
    bits: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Groups:
    """Posts grouped by what they share. Groups are numbered from 0 in the order of their first post."""

    #: id -> group, for every post
    group_of: Mapping[str, int]
    #: id -> text group, for every post whose text has enough words
    by_text: Mapping[str, int]
    #: id -> image group, for every post with a readable image
    by_image: Mapping[str, int]
    #: id -> the marks by which `known` finds a post's near-duplicates without it; none for what says too little
    marks: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(set(self.group_of.values()))

    def save(self, path: Path) -> None:
        """Write the groups as JSON, whole or not at all."""
        write_json(path, {"of": self.group_of, "by_text": self.by_text, "by_image": self.by_image, "marks": self.marks})

    @classmethod
    def load(cls, path: Path) -> Groups:
        """Read what `save` wrote. Raises `OSError`, `ValueError` or `TypeError` where that is not there or whole."""
        content = dict(json.loads(path.read_text("utf-8")))
        if "of" in content:  # what the file has always called it
            content["group_of"] = content.pop("of")
        return cls(**content)


def group_duplicates(
    posts: Posts, *, progress: Progress = silent, fingerprints: Mapping[str, Sequence[Fingerprint]] | None = None
) -> Groups:
    """Group posts that have the same text or the same image, or nearly so.

    Texts are compared after `normalise`; images by their bytes and by the 64-bit DCT hash of Zauner (2010), as
    `imagehash.phash` computes it. Texts under three words, unreadable images and, but for identical bytes,
    images with hardly any contrast never bring posts together. Posts of several images belong
    together where they share any of them. `fingerprints`, of each post's images by id, spares decoding them once more.
    """
    texts = _telling_texts(posts)
    images = _fingerprints(posts, progress) if fingerprints is None else fingerprints
    by_text, by_image = _group_texts(texts), _group_images(images)
    marks = {id: [*_text_marks(texts.get(id)), *map(_image_mark, images.get(id, ()))] for id in posts.ids}
    return Groups(_connect(posts.ids, by_text, by_image), by_text, by_image, marks)


def known(marks: Mapping[str, Sequence[str]], seen: Iterable[str]) -> set[str]:
    """Return the ids whose text or image is that of posts with the marks `seen`, images by the rule of this module.

    Texts must be equal after `normalise`: how similar they are, marks do not tell.
    """
    seen = set(seen)
    signs = _signs([mark for mark in seen if mark.startswith(_PICTURE)])  # (N, 64)
    own = sorted({mark for each in marks.values() for mark in each if mark.startswith(_PICTURE)} - seen)
    for start in range(0, len(own), 256):
        block = own[start : start + 256]
        equal = _signs(block) @ signs.T  # (block, N) = 64 - 2 x distance
        seen |= {block[i] for i in np.flatnonzero((equal >= 64 - 2 * IMAGE_DISTANCE).any(1))}
    return {id for id, each in marks.items() if not seen.isdisjoint(each)}


def _signs(pictures: Sequence[str]) -> NDArray[np.float32]:
    """Return the bits of pictures' marks, (N, 64), each -1 or 1."""
    packed = bytes.fromhex("".join(mark.removeprefix(_PICTURE) for mark in pictures))
    return np.unpackbits(np.frombuffer(packed, np.uint8)).reshape(-1, 64).astype(np.float32) * 2 - 1


def _text_marks(text: str | None) -> list[str]:
    return [] if text is None else ["text:" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()]


def _image_mark(image: Fingerprint) -> str:
    return (
        f"bytes:{image.digest[:8].hex()}" if image.bits is None else _PICTURE + np.packbits(image.bits).tobytes().hex()
    )


def straddling(groups: Groups, parts: Mapping[str, Hashable]) -> list[list[str]]:
    """Return the groups that have posts in more than one part, the biggest first.

    `parts` says for each id which part it is in: a fold, or "train", "validation" and "test". Ids outside `parts`
    are left out.
    """
    gathered = gather((id for id in groups.group_of if id in parts), groups.group_of)
    return [list(ids) for ids in gathered if len({parts[id] for id in ids}) > 1]


def gather(ids: Iterable[str], key: Mapping[str, Hashable]) -> list[tuple[str, ...]]:
    """Return the groups of two or more ids that have the same key, the largest first."""
    gathered: dict[Hashable, list[str]] = defaultdict(list)
    for id in ids:
        if id in key:
            gathered[key[id]].append(id)
    return sorted((tuple(group) for group in gathered.values() if len(group) > 1), key=len, reverse=True)


def normalise(text: str) -> str:
    """Return a text as it is compared: lower case; URLs, mentions, RT and punctuation off; single blanks."""
    text = _NOISE.sub(" ", unicodedata.normalize("NFKC", text).lower())
    return " ".join(_PUNCTUATION.sub(" ", text).split())


def _telling_texts(posts: Posts) -> dict[str, str]:
    """Return the cleaned texts that have enough words, by id."""
    texts = {post.id: normalise(post.text or "")[:TEXT_LENGTH] for post in posts}
    return {id: text for id, text in texts.items() if len(_WORD.findall(text)) >= FEWEST_WORDS}


def _group_texts(texts: Mapping[str, str]) -> dict[str, int]:
    number: dict[str, int] = {}  # cleaned text -> its place among the different ones
    text_of = {id: number.setdefault(text, len(number)) for id, text in texts.items()}
    leader = _lead(len(number), near_texts(list(number), TEXT_SIMILARITY))
    return {id: leader[i] for id, i in text_of.items()}


def _fingerprints(posts: Posts, progress: Progress) -> dict[str, list[Fingerprint]]:
    hashed = each_image(posts, _hash_image, progress, "looking for duplicates")
    return {id: [one for one in found if one is not None] for id, found in hashed.items()}


def _group_images(fingerprints: Mapping[str, Sequence[Fingerprint]]) -> dict[str, int]:
    number: dict[bytes, int] = {}  # perceptual bits, or the digest of a flat image -> its place among them
    hashes: list[NDArray[np.bool_] | None] = []
    images_of: dict[str, list[int]] = {}
    for id, found in fingerprints.items():
        for one in found:
            key = one.digest if one.bits is None else one.bits.tobytes()
            if key not in number:
                number[key] = len(number)
                hashes.append(one.bits)
            images_of.setdefault(id, []).append(number[key])
    leader = _lead(len(hashes), _near_images(hashes))
    groups = {id: [leader[i] for i in images] for id, images in images_of.items()}
    # Groups that stand in one post are joined: the first of all such stands for them.
    component = _components(len(leader), [(group[0], other) for group in groups.values() for other in group[1:]])
    first: dict[int, int] = {}
    joined = [first.setdefault(one, i) for i, one in enumerate(component)]
    return {id: joined[group[0]] for id, group in groups.items()}


def _hash_image(ref: ImageRef) -> Fingerprint | None:
    """Return the fingerprint of an image, `None` for one that cannot be read."""
    data = image_bytes(ref)
    image = None if data is None else look_at(data).image
    return None if data is None or image is None else fingerprint(image, data)


def fingerprint(image: Image, data: bytes) -> Fingerprint:
    """Return the fingerprint of a decoded RGB image whose encoded bytes are `data`."""
    grey = image.convert("L")
    flat = np.asarray(grey.resize((32, 32))).std() < LEAST_CONTRAST
    return Fingerprint(hashlib.sha256(data).digest(), None if flat else imagehash.phash(grey).hash.ravel())


def _near_images(hashes: Sequence[NDArray[np.bool_] | None]) -> Iterator[tuple[int, int]]:
    places = [i for i, bits in enumerate(hashes) if bits is not None]
    if places:
        for a, b in near_hashes(np.array([hashes[i] for i in places]), IMAGE_DISTANCE):
            yield places[a], places[b]


def _lead(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return each item's leader: the first earlier leader that it is near, else itself."""
    earlier = defaultdict(list)
    for a, b in pairs:
        earlier[max(a, b)].append(min(a, b))
    leader: list[int] = []
    for i in range(count):
        leader.append(min((j for j in earlier[i] if leader[j] == j), default=i))
    return leader


def _connect(ids: list[str], *sharings: Mapping[str, int]) -> dict[str, int]:
    """Return id -> connected component over posts that share a group in any of `sharings`."""
    node = {id: i for i, id in enumerate(ids)}
    nodes: dict[Hashable, int] = {}
    edges = [
        (node[id], len(ids) + nodes.setdefault((kind, group), len(nodes)))
        for kind, sharing in enumerate(sharings)
        for id, group in sharing.items()
    ]
    component = _components(len(ids) + len(nodes), edges)
    number: dict[int, int] = {}
    return {id: number.setdefault(component[i], len(number)) for id, i in node.items()}


def _components(size: int, edges: list[tuple[int, int]]) -> list[int]:
    """Return the number of each node's connected component."""
    if not size:
        return []
    rows, columns = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(size, size))
    return list(map(int, connected_components(graph, directed=False)[1]))
