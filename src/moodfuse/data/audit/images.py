"""What is wrong with the images of a data set, and what they are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from moodfuse.data.audit.findings import Finding, Severity, are, out_of, quantiles
from moodfuse.data.audit.image_facts import ImageFacts
from moodfuse.data.image_formats import SUFFIXES
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
#: The id of a post and what one of its images is.
_Each = tuple[str, ImageFacts]


def check_images(posts: Posts, facts: Mapping[str, Sequence[ImageFacts]]) -> tuple[dict[str, Any], list[Finding]]:
    """Return what the images are like, ready for JSON, and what is wrong with them; `facts` are by the post's id."""
    each = [(id, one) for id, found in facts.items() for one in found]
    status = Counter(str(name) for _, one in each for name in one.status)
    sized = [(one.width, one.height) for _, one in each if one.width and one.height]
    absent = {Status.IMAGE_NOT_FOUND, Status.IMAGE_NOT_FETCHED}
    gone = sum(all(absent & set(one.status) for one in found) for found in facts.values())
    summary = {
        "posts": len(posts),
        "images": len(each),
        "missing": len(posts) - len(facts) + gone,
        "not_found": status[Status.IMAGE_NOT_FOUND],
        "not_fetched": status[Status.IMAGE_NOT_FETCHED],
        "format_unknown": status[Status.IMAGE_FORMAT_UNKNOWN],
        "unreadable": status[Status.IMAGE_UNREADABLE],
        "truncated": status[Status.IMAGE_TRUNCATED],
        "too_large": status[Status.IMAGE_TOO_LARGE],
        "too_costly": status[Status.IMAGE_TOO_COSTLY],
        "formats": dict(Counter(one.format for _, one in each if one.format).most_common()),
        "modes": dict(Counter(one.mode for _, one in each if one.mode).most_common()),
        "width": quantiles([width for width, _ in sized]),
        "height": quantiles([height for _, height in sized]),
        "bytes": quantiles([one.size for _, one in each if one.size is not None]),
    }
    return summary, [*_absent(posts, facts, each), *_broken(each), *_odd(each)]


def check_nothing_to_read(posts: Posts, facts: Mapping[str, Sequence[ImageFacts]]) -> Iterator[Finding]:
    """Yield the posts that have neither a text nor an image that can be read."""

    def blind(post: Post) -> bool:
        return not (post.text or "").strip() and not any(one.readable for one in facts.get(post.id, ()))

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


def _absent(posts: Posts, facts: Mapping[str, Sequence[ImageFacts]], each: Sequence[_Each]) -> Iterator[Finding]:
    missing = tuple(post.id for post in posts if post.id not in facts)
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
    if gone := _having(each, Status.IMAGE_NOT_FOUND):
        yield _finding(
            "image_not_found",
            _weight(gone, each),
            gone,
            each,
            f"{are(len(gone))} named and not there ({gone[0][1].detail})",
            "mend the paths, or put the files where they say; as it is, the model sees the posts' text only",
        )
    if away := _having(each, Status.IMAGE_NOT_FETCHED):
        reasons = Counter(one.detail for _, one in away).most_common(3)
        yield _finding(
            "image_not_fetched",
            _weight(away, each),
            away,
            each,
            f"{are(len(away))} named by an address and not fetched "
            f"({', '.join(f'{reason}: {count:,}' for reason, count in reasons)})",
            "--remote-images fetches addresses; as it is, the model sees the posts' text only",
        )


def _broken(each: Sequence[_Each]) -> Iterator[Finding]:
    if unknown := _having(each, Status.IMAGE_FORMAT_UNKNOWN):
        formats = Counter(one.detail for _, one in unknown).most_common()
        yield _finding(
            "image_format_unknown",
            _weight(unknown, each),
            unknown,
            each,
            f"{are(len(unknown))} of a format that is not read "
            f"({', '.join(f'{name}: {count:,}' for name, count in formats)})",
            "convert them, or fetch web pages anew; as they are, their posts count as posts without an image",
        )
    if unreadable := _having(each, Status.IMAGE_UNREADABLE):
        empty = sum(one.size == 0 for _, one in unreadable)
        yield _finding(
            "image_unreadable",
            _weight(unreadable, each),
            unreadable,
            each,
            f"{are(len(unreadable))} unreadable"
            + (f", {empty:,} of them empty {are(empty, 'file', 'files')}" if empty else ""),
            "fetch them again; as they are, their posts count as posts without an image",
        )
    if truncated := _having(each, Status.IMAGE_TRUNCATED):
        yield _finding(
            "image_truncated",
            Severity.WARNING,
            truncated,
            each,
            are(len(truncated), "lacks its end", "lack their end"),
            "they are used as far as they go; fetch them again",
        )
    if large := _having(each, Status.IMAGE_TOO_LARGE):
        yield _finding(
            "image_too_large",
            Severity.WARNING,
            large,
            each,
            f"{are(len(large))} larger than {MAX_PIXELS // 10**6} megapixels or {MAX_BYTES // 2**20} MiB and never "
            "decoded (some are made as bombs)",
            "make them smaller; as they are, their posts count as posts without an image",
        )
    if costly := _having(each, Status.IMAGE_TOO_COSTLY):
        yield _finding(
            "image_too_costly",
            Severity.WARNING,
            costly,
            each,
            f"{are(len(costly))} never decoded, for the memory or time that it would take "
            f"(the first: {costly[0][1].detail})",
            "save them anew, smaller or as plain JPEG; as they are, their posts count as posts without an image",
        )


def _finding(
    check: str, severity: Severity, some: Sequence[_Each], each: Sequence[_Each], what: str, advice: str
) -> Finding:
    """Return a finding on some of the images; it names their posts, each once."""
    line = f"{out_of(len(some), len(each), 'images')} {what}"
    return Finding(check, severity, len(some), len(each), line, advice, tuple(dict.fromkeys(id for id, _ in some)))


def _weight(some: Sequence[_Each], each: Sequence[_Each]) -> Severity:
    """Return how grave it is that some of the images are not read."""
    return Severity.ERROR if len(some) >= _MOST * len(each) else Severity.WARNING


def _odd(each: Sequence[_Each]) -> Iterator[Finding]:
    seen = [(pair, min(sides), max(sides)) for pair in each if (sides := _sides(pair[1]))]
    odd_modes = Counter(str(one.mode) for (_, one), _, _ in seen if one.mode != "RGB").most_common()
    modes = ", ".join(f"{mode} {count:,}" for mode, count in odd_modes)
    named = {
        "image_tiny": (
            [pair for pair, short, _ in seen if short < TINY_SIDE],
            f"under {TINY_SIDE} pixels on their shorter side",
            "little can be seen there; fetch larger copies",
        ),
        "image_huge": (
            [pair for pair, short, long in seen if short * long >= HUGE_PIXELS],
            f"of {HUGE_PIXELS // 10**6} megapixels or more",
            "encoders see some 224 x 224 of them: smaller copies save most of the time",
        ),
        "image_long": (
            [pair for pair, short, long in seen if long > LONG_RATIO * short],
            f"more than {LONG_RATIO:.0f} times as long as they are wide",
            "a centre crop sees a third or less of them; cut them by hand where it matters",
        ),
        "image_mode": (
            [pair for pair, _, _ in seen if pair[1].mode != "RGB"],
            f"not RGB ({modes})",
            "moodfuse turns them into RGB (transparency on white, on black where it would vanish; 16 bits scaled)",
        ),
        "image_flat": (
            [pair for pair, _, _ in seen if pair[1].fingerprint and pair[1].fingerprint.bits is None],
            "of nearly one colour",
            "often a placeholder for a photo that was deleted: if so, remove the file, so that it counts as missing",
        ),
        "image_misnamed": (
            [pair for pair, _, _ in seen if _misnamed(pair[1])],
            "of another format than their name says",
            "moodfuse goes by the bytes; other tools may not: rename them",
        ),
    }
    for check, (some, what, advice) in named.items():
        if some:
            yield _finding(check, Severity.NOTE, some, each, f"{are(len(some))} {what}", advice)


def _sides(facts: ImageFacts) -> tuple[int, int] | None:
    return (facts.width, facts.height) if facts.readable and facts.width and facts.height else None


def _misnamed(facts: ImageFacts) -> bool:
    if facts.ref is None or not isinstance(facts.ref.source, Path):
        return False
    suffix = facts.ref.source.suffix.lower()
    known = {one for names in SUFFIXES.values() for one in names}
    return suffix in known and suffix not in SUFFIXES.get(str(facts.format), (suffix,))


def _having(each: Sequence[_Each], status: Status) -> list[_Each]:
    return [(id, one) for id, one in each if status in one.status]
