"""A review in words: how far it is, what it says of the model, and what to do next."""

from __future__ import annotations

import math
from typing import Any

from moodfuse.decide.review import ReviewSession, Standing


def lines(review: ReviewSession, answers: str, set_aside: int) -> list[str]:
    """Return what there is to say when a session ends, in lines; `answers` is the file as the user calls it."""
    now = review.standing()
    skipped = f", {now.skipped} skipped" if now.skipped else ""
    said = [f"{review.person}: {now.done} of {now.total} posts labelled{skipped}"]
    if len(now.people) > 1:
        said.append("labels: " + ", ".join(f"{person} {count}" for person, count in now.people.items()))
    if now.alpha is not None:
        said.append(f"agreement on {now.shared} posts: Krippendorff's alpha {now.alpha:.2f}")
    if now.differing:
        said.append(f"people differ on {now.differing}: moodfuse review {answers} --disagreements")
    said.append(_accuracy(now, answers, set_aside))
    if now.people:
        said.append(f"the labels as a table: moodfuse review {answers} --export labels.csv")
        said.append(f"teach them to a model: moodfuse adapt {answers} -o my-model")
    return said


def as_json(standing: Standing) -> dict[str, Any]:
    """Return how far a review is as JSON has it; what is not known yet is null."""
    found = standing.accuracy
    low, high = found.interval
    return {
        "done": standing.done,
        "skipped": standing.skipped,
        "total": standing.total,
        "people": dict(standing.people),
        "random": standing.random,
        "tested": found.count,
        "accuracy": found.right / found.count if found.count else None,
        "low": low if found.count else None,
        "high": high if found.count else None,
        "needed": found.needed if found.count else None,
        "alpha": standing.alpha,
        "shared": standing.shared,
        "differing": standing.differing,
    }


def _accuracy(now: Standing, answers: str, set_aside: int) -> str:
    if not now.random:
        return "on your posts: accuracy not known, as no post is drawn at random"
    if not now.accuracy.count:
        return f"on your posts: accuracy not known yet, as none of the {now.random} drawn at random has a label"
    needed = now.accuracy.needed
    said = f"{now.accuracy.words()}; about {needed:,} more would halve that interval"
    queued = now.random - now.accuracy.count
    if needed <= queued:
        return f"{said}, {queued} are in the queue"
    if not (more := min(needed - queued, set_aside - now.random)):
        return said
    share = math.ceil(100 * (now.random + more) / (now.queued + more)) / 100
    return f"{said}: moodfuse review {answers} --budget {now.queued + more} --random-share {share:g} adds {more}"
