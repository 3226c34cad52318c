"""What is wrong with the images of a data set, and what they are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moodfuse.data.audit.findings import Finding, Severity, are, out_of, quantiles
from moodfuse.data.audit.image_facts import ImageFacts
from moodfuse.data.images import MAX_BYTES, MAX_PIXELS
from moodfuse.data.posts import Post, Posts, Status

#: Shorter side, in pixels, under which little can be seen.
TINY_SIDE = 64
#: Pixels from which on decoding costs more than encoding.
HUGE_PIXELS = 16_000_000
#: Ratio of long to short side from which on a centre crop sees a third or less.
LONG_RATIO = 3.0
#: Share of unreadable images from which on something is wrong with the whole set, not with single files.
_MOST = 0.5
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "GIF": (".gif",), "WEBP": (".webp",), "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"), "MPO": (".jpg", ".jpeg", ".mpo"),
}  # fmt: skip


def check_images(posts: Posts, facts: Mapping[str, ImageFacts]) -> tuple[dict[str, Any], list[Finding]]:
    """Return what the images are like, ready for JSON, and what is wrong with them; `facts` are by id."""
    status = Counter(str(name) for one in facts.values() for name in one.status)
    sized = [(one.width, one.height) for one in facts.values() if one.width and one.height]
    summary = {
        "posts": len(posts),
        "missing": len(posts) - len(facts) + status[Status.IMAGE_MISSING],
        "unreadable": status[Status.IMAGE_UNREADABLE],
        "truncated": status[Status.IMAGE_TRUNCATED],
        "too_large": status[Status.IMAGE_TOO_LARGE],
        "formats": dict(Counter(one.format for one in facts.values() if one.format).most_common()),
        "modes": dict(Counter(one.mode for one in facts.values() if one.mode).most_common()),
        "width": quantiles([width for width, _ in sized]),
        "height": quantiles([height for _, height in sized]),
        "bytes": quantiles([one.size for one in facts.values() if one.size is not None]),
    }
    return summary, [*_absent(posts, facts), *_broken(facts), *_odd(posts, facts)]


def check_nothing_to_read(posts: Posts, facts: Mapping[str, ImageFacts]) -> Iterator[Finding]:
    """Yield the posts that have neither a text nor an image that can be read."""

    def blind(post: Post) -> bool:
        return not (post.text or "").strip() and not (post.id in facts and facts[post.id].readable)

    if nothing := tuple(post.id for post in posts if blind(post)):
        yield Finding(
            "nothing_to_read",
            Severity.ERROR if len(nothing) == len(posts) else Severity.WARNING,
            len(nothing),
            len(posts),
            f"{out_of(len(nothing), len(posts), 'posts')} {are(len(nothing), 'has', 'have')} neither a text nor "
            "an image that can be read",
            "every answer to them is the classes' shares; remove them, or find their files",
            nothing,
        )


def _absent(posts: Posts, facts: Mapping[str, ImageFacts]) -> Iterator[Finding]:
    gone = {id for id, one in facts.items() if Status.IMAGE_MISSING in one.status}
    missing = tuple(post.id for post in posts if post.image is None or post.id in gone)
    if missing:
        none = f"none of {len(posts):,} posts has an image" if len(missing) == len(posts) else ""
        yield Finding(
            "image_missing",
            Severity.WARNING,
            len(missing),
            len(posts),
            none or f"{out_of(len(missing), len(posts), 'posts')} {are(len(missing), 'has', 'have')} no image",
            "the model sees their text only; if they should have one, check the files' names and the paths",
            missing,
        )


def _broken(facts: Mapping[str, ImageFacts]) -> Iterator[Finding]:
    unreadable = _having(facts, Status.IMAGE_UNREADABLE)
    if unreadable:
        empty = sum(facts[id].size == 0 for id in unreadable)
        yield Finding(
            "image_unreadable",
            Severity.ERROR if len(unreadable) >= _MOST * len(facts) else Severity.WARNING,
            len(unreadable),
            len(facts),
            f"{out_of(len(unreadable), len(facts), 'images')} {are(len(unreadable), 'is', 'are')} unreadable"
            + (f", {empty:,} of them empty {are(empty, 'file', 'files')}" if empty else ""),
            "fetch them again; as they are, their posts count as posts without an image",
            unreadable,
        )
    if truncated := _having(facts, Status.IMAGE_TRUNCATED):
        yield Finding(
            "image_truncated",
            Severity.WARNING,
            len(truncated),
            len(facts),
            f"{out_of(len(truncated), len(facts), 'images')} {are(len(truncated), 'lacks its', 'lack their')} end",
            "they are used as far as they go; fetch them again",
            truncated,
        )
    if large := _having(facts, Status.IMAGE_TOO_LARGE):
        yield Finding(
            "image_too_large",
            Severity.WARNING,
            len(large),
            len(facts),
            f"{out_of(len(large), len(facts), 'images')} {are(len(large), 'is', 'are')} larger than "
            f"{MAX_PIXELS // 10**6} megapixels or {MAX_BYTES // 2**20} MiB and never decoded (some are made as bombs)",
            "make them smaller; as they are, their posts count as posts without an image",
            large,
        )


def _odd(posts: Posts, facts: Mapping[str, ImageFacts]) -> Iterator[Finding]:
    seen = {id: one for id, one in facts.items() if one.readable and one.width and one.height}
    sides = {id: sorted((one.width or 0, one.height or 0)) for id, one in seen.items()}
    odd_modes = Counter(str(one.mode) for one in seen.values() if one.mode != "RGB").most_common()
    modes = ", ".join(f"{mode} {count:,}" for mode, count in odd_modes)
    named = {
        "image_tiny": (
            [id for id, (short, _) in sides.items() if short < TINY_SIDE],
            f"under {TINY_SIDE} pixels on their shorter side",
            "little can be seen there; fetch larger copies",
        ),
        "image_huge": (
            [id for id, (short, long) in sides.items() if short * long >= HUGE_PIXELS],
            f"of {HUGE_PIXELS // 10**6} megapixels or more",
            "encoders see some 224 x 224 of them: smaller copies save most of the time",
        ),
        "image_long": (
            [id for id, (short, long) in sides.items() if long > LONG_RATIO * short],
            f"more than {LONG_RATIO:.0f} times as long as they are wide",
            "a centre crop sees a third or less of them; cut them by hand where it matters",
        ),
        "image_mode": (
            [id for id, one in seen.items() if one.mode != "RGB"],
            f"not RGB ({modes})",
            "moodfuse turns them into RGB (transparency on white, 16 bits scaled)",
        ),
        "image_flat": (
            [id for id, one in seen.items() if one.fingerprint and one.fingerprint.bits is None],
            "of nearly one colour",
            "often a placeholder for a photo that was deleted: if so, remove the file, so that it counts as missing",
        ),
        "image_misnamed": (
            [post.id for post in posts if post.id in seen and _misnamed(post, seen[post.id])],
            "of another format than their name says",
            "moodfuse goes by the bytes; other tools may not: rename them",
        ),
    }
    for check, (ids, what, advice) in named.items():
        if ids:
            line = f"{out_of(len(ids), len(facts), 'images')} {are(len(ids))} {what}"
            yield Finding(check, Severity.NOTE, len(ids), len(facts), line, advice, tuple(ids))


def _misnamed(post: Post, facts: ImageFacts) -> bool:
    if post.image is None or not isinstance(post.image.source, Path):
        return False
    suffix = post.image.source.suffix.lower()
    known = {one for names in _SUFFIXES.values() for one in names}
    return suffix in known and suffix not in _SUFFIXES.get(str(facts.format), (suffix,))


def _having(facts: Mapping[str, ImageFacts], status: Status) -> tuple[str, ...]:
    return tuple(id for id, one in facts.items() if status in one.status)
