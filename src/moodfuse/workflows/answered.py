"""Files of answers, as what reads them finds them: the probabilities, and the bundle that gave them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from moodfuse.data.formats.readers import came_as
from moodfuse.data.posts import Post
from moodfuse.decide.answers import AnswerTable
from moodfuse.decide.model import gave
from moodfuse.errors import BundleError, DataError
from moodfuse.progress import Progress
from moodfuse.runtime.bundle import Bundle, default_bundle, read_bundle
from moodfuse.runtime.hub import find_bundle
from moodfuse.workflows.prediction import details_path


def with_probabilities(path: Path) -> Path:
    """Return the file that has the probabilities: of a `guid,tag` answer, the details beside it."""
    if path.is_file() and came_as(path) == "guid_tag":
        beside = details_path(path)
        if not beside.is_file():
            raise DataError(
                f"{path}: expected the probabilities that `moodfuse predict` writes, found guid,tag alone, and no "
                f"{beside.name} beside it; predict again, or give that file"
            )
        return beside
    return path


def counted(posts: Iterable[Post], total: int, progress: Progress) -> Iterator[Post]:
    """Yield the posts and tell of them as answers that are read."""
    for done, post in enumerate(posts, start=1):
        yield post
        if done % 1000 == 0 or done == total:
            progress("reading answers", done, total)


def answering_bundle(answers: AnswerTable, bundle: str | Path | None, where: str) -> Bundle | None:
    """Return the bundle that gave the answers; `None` where none is named and moodfuse's own did not.

    Raises `BundleError` where the one that is named did not.
    """
    found = named_bundle(bundle)
    if found is None or gave(found.manifest, answers):
        return found
    if bundle is None:
        return None
    manifest = found.manifest
    reason = f"its labels are {', '.join(manifest.labels)}, these are {', '.join(answers.labels)}"
    if manifest.labels == answers.labels:
        reason = f"it marks answers below {manifest.review_threshold:.3f} for review, and these are marked otherwise"
    raise BundleError(f"{bundle}: did not give the answers in {where}: {reason}; name the bundle that did")


def named_bundle(bundle: str | Path | None) -> Bundle | None:
    """Open a bundle, by default moodfuse's own; `None` where this install brings none.

    Raises `BundleError` for one that is damaged, or is not there.
    """
    if bundle is None:
        try:
            bundle = default_bundle()
        except BundleError:
            return None
    return read_bundle(find_bundle(bundle))
