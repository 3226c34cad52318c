"""Posts that stand twice or nearly so: where that flatters scores, and where their labels contradict one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from moodfuse.data.audit.findings import Finding, Severity, are, flat, out_of
from moodfuse.data.audit.image_facts import ImageFacts
from moodfuse.data.duplicates import Groups, gather, normalise, straddling
from moodfuse.data.posts import Posts
from moodfuse.data.splits import Split

#: What two posts may share: the name of the sharing, and id -> what the post has of it.
Sharing = tuple[str, Mapping[str, Hashable]]
_Ids = tuple[str, ...]

_BOTH = "the label is of text and image together, so some of them may be right: look at each and settle it"


def check_duplicates(
    posts: Posts, images: Mapping[str, Sequence[ImageFacts]], groups: Groups
) -> tuple[dict[str, Any], list[Finding]]:
    """Return how many posts stand twice, ready for JSON, and what is wrong with it.

    Counts are of the labelled posts, of all where none is labelled; unlabelled posts that stand among the labelled
    ones are told apart. `groups` are those of all `posts`.
    """
    texts = {post.id: post.text for post in posts if post.text and post.text.strip()}
    seen = {id: tuple(one.fingerprint.digest for one in facts if one.fingerprint) for id, facts in images.items()}
    digests = {id: found for id, found in seen.items() if found}
    whole = {id: (text, digests[id]) for id, text in texts.items() if id in digests}
    exact: dict[str, Mapping[str, Hashable]] = {"post": whole, "text": texts, "image": digests}
    pool = posts.labelled().ids or posts.ids
    found = {name: gather(pool, key) for name, key in exact.items()}
    cleaned = {id: normalise(texts[id]) for id in groups.by_text if id in texts}
    near = {
        "template": _unlike(gather(pool, cleaned), texts),
        "near_text": _unlike(gather(pool, groups.by_text), cleaned),
        "near_image": _unlike(gather(pool, groups.by_image), digests),
        "any_text": _unlike(gather(pool, groups.by_text), texts),
    }
    facts = {
        "posts": len(pool),
        "near_duplicate_groups": len(gather(pool, groups.group_of)),
        **{f"same_{name}_groups": len(found[name]) for name in exact},
        **{f"same_{name}_posts": len(flat(found[name])) for name in exact},
    }
    labels = {post.id: post.label for post in posts if post.label is not None}
    findings = [*_repeats(found, near, len(pool)), *_conflicts(found, near, labels), *_leaks(posts, exact, groups)]
    return facts, findings


def check_split(groups: Groups, split: Split) -> Iterator[Finding]:
    """Yield the groups of near-duplicates that a given split parts."""
    across = straddling(groups, split.parts)
    if across:
        ids = flat(across)
        yield Finding(
            "split_parts_duplicates",
            Severity.ERROR,
            len(ids),
            len(split.folds),
            f"{out_of(len(ids), len(split.folds), 'posts')} in {len(across):,} {are(len(across), 'group', 'groups')} "
            "of near-duplicates stand in several parts of the given split",
            "scores on it are too good by what the model remembers; leave the split out: moodfuse makes one that "
            "keeps duplicates together",
            ids,
            tuple(map(tuple, across)),
        )


def _repeats(found: Mapping[str, list[_Ids]], near: Mapping[str, list[_Ids]], total: int) -> Iterator[Finding]:
    for check, groups, what in (
        ("duplicate_posts", found["post"], "exactly the text and exactly the image of another"),
        ("duplicate_text", found["text"], "exactly the text of another"),
        ("duplicate_image", found["image"], "exactly the image of another, byte for byte"),
        ("text_templates", near["template"], "the text of another but for RT, mentions, URLs, case and punctuation"),
        ("near_duplicate_text", near["near_text"], "nearly the text of another, a tenth of its letters apart at most"),
        ("near_duplicate_image", near["near_image"], "nearly the image of another, by perceptual hash"),
    ):
        if groups:
            ids = flat(groups)
            copies = check == "duplicate_posts"
            yield Finding(
                check,
                Severity.WARNING if copies else Severity.NOTE,
                len(ids),
                total,
                f"{out_of(len(ids), total, 'posts')} have {what}: {len(groups):,} {are(len(groups), 'group', 'groups')}"
                f", the largest of {len(groups[0]):,}",
                "keep one of each" if copies else "moodfuse's own split keeps them together; others tear them apart",
                ids,
                tuple(groups),
            )


def _conflicts(
    found: Mapping[str, list[_Ids]], near: Mapping[str, list[_Ids]], labels: Mapping[str, str]
) -> Iterator[Finding]:
    kinds = {
        "post": (found["post"], "the same text and image", "one of the labels is wrong: settle it, or remove them"),
        "text": (found["text"], "the same text", _BOTH),
        "image": (found["image"], "the same image", _BOTH),
        "near_text": (near["any_text"], "nearly the same text", _BOTH),
        "near_image": (near["near_image"], "nearly the same image", _BOTH),
    }
    for name, (groups, what, advice) in kinds.items():
        torn = [ids for ids in groups if len({labels[id] for id in ids if id in labels}) > 1]
        if torn:
            yield Finding(
                f"conflicting_labels_{name}",
                Severity.WARNING,
                len(torn),
                len(groups),
                f"{out_of(len(torn), len(groups), f'groups of posts with {what}')} {are(len(torn), 'has', 'have')} "
                f"conflicting labels ({len(flat(torn)):,} posts)",
                advice,
                flat(torn),
                tuple(torn),
            )


def _leaks(posts: Posts, exact: Mapping[str, Mapping[str, Hashable]], groups: Groups) -> Iterator[Finding]:
    """Yield the unlabelled posts that stand among the labelled ones: whole, by text, by image, or nearly."""
    labelled = posts.labelled().ids
    unlabelled = [post.id for post in posts if post.label is None]
    if not labelled or not unlabelled:
        return
    kinds: list[Sharing] = [*exact.items(), ("near", groups.group_of)]
    words = {
        "post": "exactly the text and exactly the image",
        "text": "exactly the text",
        "image": "exactly the image",
        "near": "the text or the image, or nearly so,",
    }
    for name, key in kinds:
        pairs = _pairs(labelled, unlabelled, key)
        if pairs:
            count = len({id for pair in pairs for id in pair[1:]})
            yield Finding(
                f"unlabelled_{name}_among_labelled",
                Severity.WARNING,
                count,
                len(unlabelled),
                f"{out_of(count, len(unlabelled), 'unlabelled posts')} {are(count, 'has', 'have')} {words[name]} of a "
                "labelled one",
                "if their labels are to be a test, a model that has learnt the labelled ones knows these by heart: "
                "leave them out of it",
                flat(pairs),
                tuple(pairs),
            )


def _pairs(labelled: Iterable[str], unlabelled: Iterable[str], key: Mapping[str, Hashable]) -> list[_Ids]:
    """Return, for each labelled post that unlabelled ones share `key` with (the first of its kind), it and them."""
    first: dict[Hashable, str] = {}
    for id in labelled:
        if id in key:
            first.setdefault(key[id], id)
    paired: dict[str, list[str]] = defaultdict(list)
    for id in unlabelled:
        if id in key and key[id] in first:
            paired[first[key[id]]].append(id)
    return [(id, *others) for id, others in paired.items()]


def _unlike(groups: Iterable[_Ids], key: Mapping[str, Hashable]) -> list[_Ids]:
    """Return the groups whose members are not all the same by `key`."""
    return [ids for ids in groups if len({key[id] for id in ids}) > 1]
