"""Audit: what is wrong with a data set, with likely label errors where they are asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from moodfuse import files
from moodfuse.config import Config
from moodfuse.data.audit.audit import Audit, LabelErrors, audit_posts
from moodfuse.data.audit.findings import Finding, Severity, are, out_of, share
from moodfuse.data.audit.inventory import take_inventory
from moodfuse.data.formats.base import TRAINING, Reading
from moodfuse.errors import DataError
from moodfuse.labels import Labels
from moodfuse.progress import Progress, silent


def audit(
    source: Any,
    *,
    labels: bool = False,
    split_file: Path | None = None,
    config: Config | None = None,
    reading: Reading = TRAINING,
    progress: Progress = silent,
) -> Audit:
    """Look at all posts of a folder, a file or an object that `read_posts` takes, before training on them.

    `labels` also looks for likely label errors, which needs the `train` extra and computes frozen features once.
    `split_file` is checked for near-duplicates on several sides. `config` names the labels and, for `labels`, the
    encoders; `reading` says how `source` is read. Raises `DataError` for what no reader can read.
    """
    config = config or Config()
    names = Labels(config.labels)
    if labels:
        from moodfuse.workflows.extras import require_training

        require_training()  # before minutes of work, not after
    inventory = take_inventory(source, reading, labels=names)
    result = audit_posts(inventory, labels=names, split_file=split_file, progress=progress)
    return _with_label_errors(result, config, progress) if labels else result


def _with_label_errors(result: Audit, config: Config, progress: Progress) -> Audit:
    from moodfuse.workflows.label_errors import find_label_errors

    labelled = result.posts.labelled()
    try:
        if not len(labelled):
            raise DataError("no post has a label")
        found = find_label_errors(labelled, result.groups, config, progress)
    except DataError as error:  # too few posts: everything else still holds
        what = f"label errors were not looked for: {error}"
        advice = "label more posts, different ones; all else that this audit says holds"
        total = len(labelled)
        return result.adding(Finding("label_errors_skipped", Severity.NOTE, total, total, what, advice))
    return result.adding(*_findings(found, len(labelled), result), label_errors=found)


def _findings(found: LabelErrors, total: int, result: Audit) -> list[Finding]:
    baseline = max(result.classes.values()) / total
    findings = []
    if count := len(found.issues):
        kinds = Counter((one.given, one.suggested) for one in found.issues).most_common(1)[0]
        (given, suggested), times = kinds
        findings.append(
            Finding(
                "label_errors",
                Severity.WARNING,
                count,
                total,
                f"{out_of(count, total, 'labels')} {are(count)} doubtful, most often {given} that looks {suggested} "
                f"({times:,}); expected share of wrong labels {share(round(found.noise * total), total)}",
                "look at them from the top, the least probable first; a model that is right in "
                f"{share(round(found.accuracy * total), total)} doubts them, and the weaker it is, the more it doubts",
                tuple(one.id for one in found.issues),
            )
        )
    if found.accuracy <= baseline:
        findings.append(
            Finding(
                "label_errors_weak",
                Severity.NOTE,
                total,
                total,
                f"the model that judges the labels is right in {share(round(found.accuracy * total), total)}, no more "
                f"than always saying the largest class ({share(round(baseline * total), total)})",
                "do not trust its list of label errors; name better encoders (model.text=..., model.image=...)",
            )
        )
    return findings


def write_audit_page(result: Audit, path: Path) -> None:
    """Write an audit as one HTML page with thumbnails, whole or not at all. Needs the `report` extra."""
    from moodfuse.report.audit import audit_page

    files.write_text(path, audit_page(result))
