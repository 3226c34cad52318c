"""Review: what `moodfuse predict` wrote in, posts to label one by one, labels out."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from moodfuse.data.formats.base import PREDICTING, Reading
from moodfuse.data.formats.image_files import ImagePaths
from moodfuse.data.formats.readers import count_posts, stream_posts
from moodfuse.decide.answered_posts import AnswerSource
from moodfuse.decide.answers import Question, read_answers
from moodfuse.decide.label_store import LabelStore
from moodfuse.decide.labelled_rows import labelled_rows
from moodfuse.decide.queue import QueuePlan
from moodfuse.decide.review import ReviewSession
from moodfuse.errors import ConfigError, DataError
from moodfuse.files import csv_text, write_text
from moodfuse.progress import Progress, mute, silent
from moodfuse.runtime.bundle import Bundle, default_bundle, read_bundle
from moodfuse.workflows.answered import answering_bundle, counted, with_probabilities
from moodfuse.workflows.review_queue import AnsweredFile, extend_queue, queued_posts

#: Posts that a new review shows, and the share of them that is drawn at random.
BUDGET, SHARE = 200, 0.1


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """What a person asks for.

    `budget`, `share` and `seed` are for drawing posts: `None` keeps those that there are, and takes the usual ones
    for a new review. With `settling` the posts are shown on which people differ. `images` is the folder that paths of
    images start from, by default that of the answers; `bundle` gave the answers, by default moodfuse's own.
    """

    person: str
    budget: int | None = None
    share: float | None = None
    seed: int = 0
    settling: bool = False
    images: Path | None = None
    bundle: Path | None = None


@dataclass(frozen=True, slots=True)
class OpenReview:
    """A review and what it is of. `bundle` gave the answers, `None` where no known one did.

    `set_aside` is how many posts may be drawn at random: the queue never takes them otherwise.
    """

    review: ReviewSession
    source: AnswerSource
    bundle: Bundle | None
    set_aside: int


def user_name() -> str:
    """Return the name of whoever is at this machine, "me" where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "me"


def store_path(answers: Path) -> Path:
    """Return the file beside the answers that keeps the labels."""
    return answers.with_name(f"{answers.name}.review.sqlite")


@contextmanager
def open_review(
    answers: Path,
    asked: ReviewOptions,
    *,
    begin: bool = True,
    reading: Reading = PREDICTING,
    progress: Progress = silent,
) -> Iterator[OpenReview]:
    """Begin the review of a file of answers, or go on with it; what is labelled in the block is kept at once.

    Without `begin` there must be one. Raises `DataError` where there are no answers, or other ones than when it began,
    `BundleError` for a bundle that did not give them, `OutputError` where nothing can be kept beside them.
    """
    path, kept = with_probabilities(answers), store_path(answers)
    if not begin and not kept.exists():
        raise DataError(f"{answers}: expected labels in {kept.name} beside it, found none; moodfuse review begins")
    found, bundle = _read(path, asked, reading, progress)
    with ExitStack() as stack:
        store = LabelStore(kept)
        stack.callback(store.close)
        posts = queued_posts(store, found)
        if begin and (plan := _plan(asked, store)) is not None:
            extend_queue(store, found, bundle or read_bundle(default_bundle()), plan, progress)
            posts = queued_posts(store, found)
        review = ReviewSession(store, found.table.labels, posts, asked.person, settling=asked.settling)
        yield OpenReview(review, found.source, bundle, store.facts().get("set_aside", 0))


def _read(path: Path, asked: ReviewOptions, reading: Reading, progress: Progress) -> tuple[AnsweredFile, Bundle | None]:
    how = replace(reading, fields=True, answers=True, notify=mute)
    posts = counted(stream_posts(path, how), count_posts(path, how), progress)
    table = read_answers(posts, Question(columns=how.columns), str(path))
    stream = stream_posts(path, how)
    fields = dict.fromkeys(stream.columns) | dict(next(stream).fields or {})  # a JSON object may lack some
    source = AnswerSource.of(fields, str(path), asked.images or path.parent, how.columns, remote=reading.remote)
    return AnsweredFile(path, how, table, source), answering_bundle(table, asked.bundle, str(path))


def _plan(asked: ReviewOptions, store: LabelStore) -> QueuePlan | None:
    """Return how posts are to be drawn; `None` where there are as many as wanted."""
    facts = store.facts()
    there = facts.get("budget", 0)
    budget = asked.budget or there or BUDGET
    if budget > there:
        share = facts.get("share", SHARE) if asked.share is None else asked.share
        return QueuePlan(budget, share, facts.get("seed", asked.seed))
    if asked.share not in (None, facts["share"]):
        raise ConfigError(
            f"--random-share: expected {facts['share']:g}, with which this review was drawn, found {asked.share:g}; "
            f"another one is for posts that are added: --budget {2 * there}"
        )
    return None


def export_labels(opened: OpenReview, output: Path, *, force: bool = False) -> tuple[int, int]:
    """Write the labels of everybody as CSV: a row for each post that has one.

    Returns how many there are, and how many are left out as people differ. Images are named by paths from where the
    table lies; with `force` those that lie there from before are replaced. Raises `DataError` where there is no label
    yet, `ConfigError` for a name that does not end in .csv.
    """
    if output.suffix.lower() != ".csv":
        raise ConfigError(f"{output}: expected a name that ends in .csv, found {output.suffix!r}")
    with ExitStack() as stack:
        paths = ImagePaths(output, Counter(), stack, force=force)
        rows = labelled_rows(opened.review, opened.source, paths.paths_of)
        if not rows:
            raise DataError(f"{opened.review.store.path}: expected labels, found none yet; give some first")
        write_text(output, csv_text(rows))
    return len(rows), opened.review.standing().differing
