"""The answers of a reproduction: for the unlabelled posts, and for the tested posts that the best system gets wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from moodfuse import files
from moodfuse.data.formats.base import PREDICTING, Reading
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.progress import Progress
from moodfuse.records.reproduction import Submission
from moodfuse.runtime.bundle import Bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.comparison.arms import Gathered


def unlabelled_posts(source: Any, reading: Reading) -> Posts:
    """Return the posts of a source that have no label: those of its own file if they lie apart."""
    posts = read_posts(source, reading)
    return posts.subset([post.id for post in posts if post.label is None])


def predicting(reading: Reading) -> Reading:
    """Return how the unlabelled posts are read of a source whose labelled posts are read as `reading` says."""
    return replace(reading, part=PREDICTING.part, strict=PREDICTING.strict)


def write_submission(path: Path, bundle: Bundle, system: str, posts: Posts, progress: Progress) -> Submission:
    """Write `guid,tag` of each unlabelled post, and return the counts."""
    counts: Counter[str] = Counter()
    rows = []
    for prediction in Predictor(bundle).stream(posts):
        counts[prediction.label] += 1
        rows.append({"guid": prediction.id, "tag": prediction.label})
        progress("answering the unlabelled posts", len(rows), len(posts))
    files.write_csv(path, rows)
    return Submission(system=system, labels={label: counts[label] for label in bundle.labels.names})


def write_wrong(path: Path, gathered: Gathered, best: str, posts: Posts) -> None:
    """Write the tested posts that the best system gets wrong, the most confident first, with the others' answers.

    Answers are those of the first seed, from a training that had not seen the post.
    """
    names = gathered.labels.names
    arms = {arm.name: arm.probabilities[0] for arm in gathered.models}  # (N, C) each
    ids = [i for cell in gathered.cells_of(best)[: len(set(gathered.folds))] for i in cell.ids]
    text = dict(zip(posts.ids, (post.text for post in posts), strict=True))
    table = arms[best]
    rows = []
    for n in sorted(range(len(ids)), key=lambda n: -table[n].max()):
        said = int(table[n].argmax())
        if said != gathered.true[n]:
            others = {f"by {name}": names[int(other[n].argmax())] for name, other in arms.items() if name != best}
            facts = {"guid": ids[n], "label": names[gathered.true[n]], "predicted": names[said]}
            rows.append(facts | {"confidence": round(float(table[n].max()), 4)} | others | {"text": text[ids[n]] or ""})
    files.write_csv(path, rows or [{"guid": "", "label": ""}])
