"""The page of an audit: findings first, then the posts side by side, with thumbnails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from moodfuse.data.audit.audit import Audit
from moodfuse.data.audit.findings import Finding, are, share
from moodfuse.data.posts import Post
from moodfuse.report.document import Card, Value, readable
from moodfuse.report.page import render, thumbnail

#: Most thumbnails on a page, and how many each part may have; the other posts are only counted.
MOST_THUMBNAILS = 60
_QUOTA = {"conflicts": 20, "leaks": 8, "near": 12, "labels": 20}
_MEMBERS = 4  # posts shown of a group
_IDS = 60  # ids shown of a finding

_CONFLICTS = {
    "conflicting_labels_post": "same text and image",
    "conflicting_labels_text": "same text",
    "conflicting_labels_image": "same image",
    "conflicting_labels_near_text": "nearly the same text",
    "conflicting_labels_near_image": "nearly the same image",
}
_LEAKS = {
    "split_parts_duplicates": "in several parts of the split",
    "unlabelled_post_among_labelled": "same text and image",
    "unlabelled_text_among_labelled": "same text",
    "unlabelled_image_among_labelled": "same image",
    "unlabelled_near_among_labelled": "nearly the same",
}
_NEAR = {"near_duplicate_image": "nearly the same image"}


@dataclass(frozen=True, slots=True)
class Member:
    """A post of a group, as the page shows it."""

    id: str
    label: str | None
    #: place of the label among the classes, from 0; it sets the colour
    place: int
    thumbnail: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Side:
    """A group of posts that are shown side by side."""

    why: str
    #: the text, if all posts have the same
    text: str | None
    members: tuple[Member, ...]
    more: int


def audit_page(audit: Audit) -> str:
    """Return the audit as a single HTML page that loads nothing, with at most `MOST_THUMBNAILS` pictures."""
    summary = audit.to_json()
    parts: list[tuple[str, str, Any, str]] = [
        _groups_part(audit, "conflicts", "Duplicates whose labels conflict", _CONFLICTS),
        _groups_part(audit, "leaks", "The same post on two sides", _LEAKS),
        _groups_part(audit, "near", "Images that are nearly the same", _NEAR),
    ]
    parts = [part for part in parts if part[2]]
    labels = _label_cards(audit)
    sections = [("findings", "Findings"), ("holds", "Content"), *((id, title) for id, title, _, _ in parts)]
    unreadable = _unreadable(audit)
    sections += [("unreadable", "Unreadable files")] if unreadable else []
    sections += [("labels", "Doubtful labels")] if audit.label_errors else []
    return render(
        "audit.html",
        kind="audit",
        title=readable(audit.posts.source.rstrip("/").rpartition("/")[2]) or "posts",
        subtitle=f"{summary['posts']:,} {are(summary['posts'], 'post', 'posts')}, {summary['labelled']:,} labelled",
        sections=sections,
        findings=[_told(finding) for finding in audit.findings],
        counts=_severities(audit.findings),
        classes=_classes(summary["classes"]),
        texts=_text_facts(summary["texts"]),
        images=_image_facts(summary["images"]),
        parts=parts,
        unreadable=unreadable,
        errors=summary["label_errors"],
        label_cards=labels,
    )


def _told(finding: Finding) -> dict[str, Any]:
    groups = [" = ".join(group[:_MEMBERS]) + (" …" if len(group) > _MEMBERS else "") for group in finding.groups]
    shown = (groups or list(finding.ids))[:_IDS]
    more = len(groups or finding.ids) - len(shown)
    return {
        "severity": str(finding.severity),
        "what": finding.what,
        "advice": finding.advice,
        "ids": shown,
        "noun": "groups" if groups else "posts",
        "number": len(groups or finding.ids),
        "more": more,
    }


def _severities(findings: Iterable[Finding]) -> str:
    found = [str(finding.severity) for finding in findings]
    names = ("error", "warning", "note")
    told = [f"{found.count(name)} {name}{'' if found.count(name) == 1 else 's'}" for name in names if name in found]
    return ", ".join(told)


def _classes(counts: dict[str, int]) -> list[dict[str, Any]]:
    total, largest = sum(counts.values()), max(counts.values(), default=0)
    if not total:
        return []
    return [
        {"name": name, "posts": n, "share": share(n, total), "width": round(100 * n / largest, 1), "place": place}
        for place, (name, n) in enumerate(counts.items())
    ]


def _text_facts(facts: dict[str, Any]) -> list[tuple[str, Value]]:
    return [
        ("texts", facts["posts"] - facts["missing"] - facts["empty"]),
        ("missing or empty", facts["missing"] + facts["empty"]),
        ("characters", _range(facts["characters"])),
        ("words", _range(facts["words"])),
        ("encodings", _counts(facts["encodings"])),
        (f"languages, by {facts['languages_by']}", _counts(facts["languages"], 6)),
    ]


def _image_facts(facts: dict[str, Any]) -> list[tuple[str, Value]]:
    return [
        ("images", facts["posts"] - facts["missing"]),
        ("missing", facts["missing"]),
        ("not found, not fetched", f"{facts['not_found']}, {facts['not_fetched']}"),
        ("unknown format, unreadable", f"{facts['format_unknown']}, {facts['unreadable']}"),
        ("truncated, too large", f"{facts['truncated']}, {facts['too_large']}"),
        ("width, pixels", _range(facts["width"])),
        ("height, pixels", _range(facts["height"])),
        ("bytes", _range(facts["bytes"])),
        ("formats", _counts(facts["formats"])),
        ("modes", _counts(facts["modes"])),
    ]


def _range(quantiles: dict[str, float]) -> str | None:
    if not quantiles:
        return None
    return f"{quantiles['min']:,.0f} to {quantiles['max']:,.0f}, median {quantiles['median']:,.0f}"


def _counts(counts: dict[str, int], most: int = 4) -> str | None:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:most])
    rest = sum(list(counts.values())[most:])
    return (shown + (f", others {rest:,}" if rest else "")) or None


def _groups_part(audit: Audit, id: str, title: str, checks: dict[str, str]) -> tuple[str, str, list[Side], str]:
    """Return id, title, the groups shown, and a line about the others."""
    found: dict[frozenset[str], tuple[str, tuple[str, ...]]] = {}
    for check, why in checks.items():
        finding = audit.finding(check)
        for group in finding.groups if finding else ():
            found.setdefault(frozenset(group), (why, group))  # a group is shown once, with its strongest reason
    sides, used = [], 0
    for why, group in _in_turn(found.values()):
        size = min(len(group), _MEMBERS)
        if used + size > _QUOTA[id]:
            break
        used += size
        sides.append(_side(audit, why, group))
    more = len(found) - len(sides)
    return (
        id,
        title,
        sides,
        f"{more:,} more such {'group' if more == 1 else 'groups'}: see the JSON (moodfuse audit --json)"
        if more
        else "",
    )


def _in_turn(found: Iterable[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the groups, alternating between the reasons, so that every reason is shown."""
    by_reason: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for why, group in found:
        by_reason.setdefault(why, []).append((why, group))
    longest = max(map(len, by_reason.values()), default=0)
    return [groups[i] for i in range(longest) for groups in by_reason.values() if i < len(groups)]


def _side(audit: Audit, why: str, group: Sequence[str]) -> Side:
    posts = audit.posts.subset(_various(audit, group))
    texts = {post.text for post in posts}
    common = posts[0].text if len(texts) == 1 else None
    places = {name: i for i, name in enumerate(audit.classes)}
    members = tuple(
        Member(
            post.id,
            post.label,
            places.get(post.label or "", -1),
            thumbnail(post.image),
            None if common else post.text,
        )
        for post in posts
    )
    return Side(why, common, members, len(group) - len(members))


def _various(audit: Audit, group: Sequence[str]) -> list[str]:
    """Return the members to show: the first of each label, then the others, in order."""
    if len(group) <= _MEMBERS:
        return list(group)
    first: dict[str | None, str] = {}
    for post in audit.posts.subset(group):
        first.setdefault(post.label, post.id)
    chosen = dict.fromkeys([*first.values(), *group])
    return list(chosen)[:_MEMBERS]


def _unreadable(audit: Audit) -> list[tuple[str, Value]]:
    checks = {
        "image_not_found": "images that are named and not there",
        "image_not_fetched": "images that were not fetched",
        "image_format_unknown": "images of a format that is not read",
        "image_unreadable": "images that cannot be read",
        "image_too_large": "images too large to decode",
        "image_too_costly": "images that would take too much to decode",
        "image_truncated": "images whose end is missing",
        "text_decoded_lossy": "texts in no known encoding",
        "nothing_to_read": "posts with nothing to read",
    }
    found = [(what, audit.finding(check)) for check, what in checks.items()]
    return [(what, _listed(finding.ids)) for what, finding in found if finding is not None]


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _IDS
    return ", ".join(ids[:_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _label_cards(audit: Audit) -> list[Card]:
    if audit.label_errors is None:
        return []
    issues = audit.label_errors.issues[: _QUOTA["labels"]]
    posts: list[Post] = list(audit.posts.subset([issue.id for issue in issues]))
    return [
        Card(
            post.id,
            thumbnail(post.image),
            post.text,
            (("given", issue.given), ("suggested", issue.suggested), ("confidence", f"{issue.confidence:.2f}")),
        )
        for issue, post in zip(issues, posts, strict=True)
    ]
