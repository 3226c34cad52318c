"""What is wrong with a data set, before anyone trains on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moodfuse.data.audit.duplicates import check_duplicates, check_split
from moodfuse.data.audit.findings import Finding, Severity
from moodfuse.data.audit.image_facts import examine_images
from moodfuse.data.audit.images import check_images, check_nothing_to_read
from moodfuse.data.audit.inventory import Inventory
from moodfuse.data.audit.labels import check_classes, check_ids
from moodfuse.data.audit.texts import check_texts
from moodfuse.data.duplicates import Groups, group_duplicates
from moodfuse.data.posts import Posts
from moodfuse.data.splits import read_split
from moodfuse.errors import DataError
from moodfuse.labels import SENTIMENT, Labels
from moodfuse.progress import Progress, silent

_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A post whose label a model that never saw it would not give."""

    id: str
    given: str
    suggested: str
    #: out-of-fold probability of the suggested label, 0..1
    confidence: float
    #: out-of-fold probability of the given label, 0..1
    given_probability: float


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """Likely label errors: how they were found, how many labels are expected to be wrong, and which first."""

    #: of the model that they were found with, on posts that it had not seen
    accuracy: float
    #: share of labels that are wrong, as estimated
    noise: float
    #: the least likely label first
    issues: tuple[LabelIssue, ...]
    method: str

    def to_json(self) -> dict[str, Any]:
        """Return what JSON holds."""
        issues = [
            {"id": one.id, "given": one.given, "suggested": one.suggested}
            | {"confidence": round(one.confidence, 4), "given_probability": round(one.given_probability, 4)}
            for one in self.issues
        ]
        shares = {"out_of_fold_accuracy": round(self.accuracy, 4), "expected_noise": round(self.noise, 4)}
        return {"method": self.method} | shares | {"issues": issues}


@dataclass(frozen=True, slots=True)
class Audit:
    """What a data set holds and what is wrong with it, the gravest first."""

    #: all posts, each id once
    posts: Posts = field(repr=False)
    groups: Groups = field(repr=False)
    #: label -> posts that have it, for every label asked for
    classes: Mapping[str, int]
    texts: Mapping[str, Any]
    images: Mapping[str, Any]
    duplicates: Mapping[str, Any]
    findings: tuple[Finding, ...]
    #: `None` where they were not looked for
    label_errors: LabelErrors | None = None

    @property
    def worst(self) -> Severity | None:
        """The gravest finding's severity, `None` where there is none."""
        return self.findings[0].severity if self.findings else None

    def finding(self, check: str) -> Finding | None:
        """Return the first finding of a check, `None` where all is well."""
        return next((one for one in self.findings if one.check == check), None)

    def adding(self, *findings: Finding, label_errors: LabelErrors | None = None) -> Audit:
        """Return the audit with more findings in their places."""
        return replace(self, findings=ranked([*self.findings, *findings]), label_errors=label_errors)

    def to_json(self) -> dict[str, Any]:
        """Return everything but texts and images of posts, ready for JSON."""
        labelled = sum(self.classes.values())
        return {
            "format": 1,
            "source": self.posts.source,
            "posts": len(self.posts),
            "labelled": labelled,
            "unlabelled": len(self.posts) - labelled,
            "classes": dict(self.classes),
            "texts": dict(self.texts),
            "images": dict(self.images),
            "duplicates": dict(self.duplicates),
            "findings": [finding.to_json() for finding in self.findings],
            "label_errors": self.label_errors.to_json() if self.label_errors else None,
        }


def audit_posts(
    inventory: Inventory,
    *,
    labels: Labels = SENTIMENT,
    split_file: Path | None = None,
    progress: Progress = silent,
) -> Audit:
    """Look at every text and every image once. Raises `DataError` for a split file that `read_split` refuses."""
    posts = inventory.posts
    if split_file and not len(inventory.labelled):
        raise DataError(f"{posts.source}: no post has a label, and a split is of labelled posts; leave the split out")
    split = read_split(split_file, posts) if split_file else None
    text_facts, findings = check_texts(posts)
    images = examine_images(posts, progress)
    image_facts, image_findings = check_images(posts, images)
    fingerprints = {id: [one.fingerprint for one in facts if one.fingerprint] for id, facts in images.items()}
    groups = group_duplicates(posts, fingerprints=fingerprints)
    duplicate_facts, duplicate_findings = check_duplicates(posts, images, groups)
    findings += image_findings + duplicate_findings
    findings += [
        *check_ids(inventory),
        *check_classes(inventory, groups, labels),
        *check_nothing_to_read(posts, images),
    ]
    if split:
        findings += check_split(groups, split)
    counts = Counter(str(label) for label in inventory.labelled.labels)
    return Audit(
        posts,
        groups,
        {name: counts[name] for name in labels.names},
        text_facts,
        image_facts,
        duplicate_facts,
        ranked(findings),
    )


def ranked(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings, the gravest first; among equals those that concern the larger share."""
    return tuple(sorted(findings, key=lambda one: (_ORDER.index(one.severity), -one.count / max(1, one.total))))
