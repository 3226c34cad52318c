"""What is wrong with the ids and the classes of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from moodfuse.data.audit.findings import Finding, Severity, are, out_of, share
from moodfuse.data.audit.inventory import Inventory
from moodfuse.data.duplicates import Groups
from moodfuse.data.folds import LEAST_FOLDS
from moodfuse.labels import Labels

#: Labelled posts under which a score says little.
FEW_LABELLED = 100
#: Posts of a class under which its F1 says little.
FEW_OF_CLASS = 30
#: Ratios of the largest class to the smallest from which on they are uneven, and very uneven.
UNEVEN, VERY_UNEVEN = 3.0, 20.0


def check_ids(inventory: Inventory) -> Iterator[Finding]:
    """Yield ids that stand for several posts, and posts that the format's own rule leaves out."""
    total = len(inventory.posts)
    if repeated := inventory.repeated:
        torn = len(inventory.contradicting)
        yield Finding(
            "ids_repeated",
            Severity.ERROR,
            len(repeated),
            total,
            f"{out_of(len(repeated), total, 'ids')} {are(len(repeated), 'stands', 'stand')} for more than one post "
            f"({sum(repeated.values()):,} posts" + (f"; {torn:,} with different labels" if torn else "") + ")",
            "give every post an id of its own; training refuses them, and this audit looked at the first of each only",
            tuple(repeated),
        )
    if both := inventory.in_both_lists:
        yield Finding(
            "ids_in_both_lists",
            Severity.ERROR,
            len(both),
            total,
            f"{out_of(len(both), total, 'ids')} {are(len(both), 'stands', 'stand')} in the labelled list and in the "
            "one to predict",
            "remove them from one of the lists: their answers would be remembered, not predicted",
            both,
        )
    if dropped := inventory.dropped:
        count = sum(dropped.values())
        yield Finding(
            "dropped_by_format",
            Severity.NOTE,
            count,
            count + total,
            f"{out_of(count, count + total, 'posts')} {are(count)} left out by the format's own rule: "
            + ", ".join(f"{reason} {number:,}" for reason, number in dropped.items()),
            "this is as its authors publish it; nothing to do",
        )


def check_classes(inventory: Inventory, groups: Groups, labels: Labels) -> Iterator[Finding]:
    """Yield classes that are missing, rare or uneven; `groups` are those of all posts."""
    labelled = inventory.labelled
    if not len(labelled):
        total = len(inventory.posts)
        what = f"no post of {total:,} has a label"
        advice = "good for `moodfuse predict`; training needs labels, and what this audit says of labels is left out"
        yield Finding("labels_none", Severity.NOTE, total, total, what, advice)
        return
    counts = Counter(str(label) for label in labelled.labels)
    if len(labelled) < FEW_LABELLED:
        yield Finding(
            "labels_few",
            Severity.WARNING,
            len(labelled),
            len(inventory.posts),
            f"only {out_of(len(labelled), len(inventory.posts), 'posts')} {are(len(labelled), 'has', 'have')} a label",
            f"a score on a tenth of them says next to nothing; label {FEW_LABELLED:,} or, better, a thousand",
        )
    for name in labels.names:
        members = tuple(post.id for post in labelled if post.label == name)
        yield from _rare(name, members, len({groups.group_of[id] for id in members}), len(labelled))
    yield from _uneven({name: counts[name] for name in labels.names if counts[name]}, len(labelled))


def _rare(name: str, members: tuple[str, ...], groups: int, total: int) -> Iterator[Finding]:
    if groups < LEAST_FOLDS:
        count = len(members)
        copies = f", all of them near-duplicates in {groups:,} {are(groups, 'group', 'groups')}"
        found = (
            out_of(count, total, "posts") + (copies if groups < count else "") if count else f"none of {total:,} posts"
        )
        yield Finding(
            "class_too_rare",
            Severity.ERROR,
            count,
            total,
            f"label {name!r} has {found}; training needs {LEAST_FOLDS} different ones at the very least, to train, "
            "validate and test",
            f"add posts labelled {name!r}, or take it out of `labels`",
            members,
        )
    elif len(members) < FEW_OF_CLASS:
        yield Finding(
            "class_rare",
            Severity.WARNING,
            len(members),
            total,
            f"label {name!r} has only {out_of(len(members), total, 'posts')}",
            "its F1 will be noise, and macro-F1 with it: add posts of it before comparing anything",
            members,
        )


def _uneven(counts: Mapping[str, int], total: int) -> Iterator[Finding]:
    if len(counts) < 2:
        return
    largest = max(counts, key=lambda name: counts[name])
    smallest = min(counts, key=lambda name: counts[name])
    ratio = counts[largest] / counts[smallest]
    if ratio >= UNEVEN:
        yield Finding(
            "classes_uneven",
            Severity.WARNING if ratio >= VERY_UNEVEN else Severity.NOTE,
            counts[smallest],
            total,
            f"classes are uneven: {largest} is {ratio:.1f} times as frequent as {smallest} "
            f"({out_of(counts[smallest], total, 'posts')})",
            f"whoever always says {largest} is right in {share(counts[largest], total)}: compare by macro-F1, and try "
            "train.class_weights=balanced or sqrt",
        )
