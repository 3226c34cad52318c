"""Adapt: labelled posts in, a bundle with a head of its own out, where that is proven to be better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse.data.formats.base import TRAINING, Reading, Role
from moodfuse.decide.adaptation import Adaptation
from moodfuse.decide.adapting import adapt_head, check_enough
from moodfuse.decide.encoded_posts import Vectors, encode_posts
from moodfuse.decide.head import Labelled
from moodfuse.labels import Labels
from moodfuse.progress import Notify, Progress, mute, silent
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.adapted_bundle import write_adapted
from moodfuse.workflows.chosen_posts import ChosenPosts, choose_posts
from moodfuse.workflows.destination import check_bundle_folder
from moodfuse.workflows.labels_to_adapt import posts_to_adapt


def adapt(
    posts: Any,
    output: str | Path | None = None,
    *,
    bundle: str | Path | None = None,
    labels: Sequence[str] = (),
    columns: Mapping[Role, str] | None = None,
    reading: Reading = TRAINING,
    keep_anyway: bool = False,
    force: bool = False,
    progress: Progress = silent,
    notify: Notify = mute,
) -> Adaptation:
    """Fit a new head on labelled posts over a bundle's encoders; write it as a bundle to `output` if it is better.

    `posts` is whatever `read_posts` takes; of a file of answers that was reviewed the labels are the review's. Posts
    that are random in a column `drawn`, or in the review, are scored once, at the end, and not fitted on, unless all
    are. `bundle` is by default the one that moodfuse brings. `labels` are classes of your own, for which a head is
    fitted from nothing.
    `keep_anyway` writes a bundle that is not proven to be better, `force` replaces a bundle that is there. Raises
    `DataError` for labels that are none and for too few posts, `OutputError` for `output`, `MissingExtraError` without
    scikit-learn and onnx (`moodfuse[adapt]`).
    """
    predictor = Predictor.load(bundle)
    if output is not None:
        check_bundle_folder(Path(output), force=force, never=predictor.bundle.folder)
    names = _names(labels, predictor.labels)
    how = replace(reading, fields=True, labels=names, columns=columns or reading.columns, notify=notify)
    chosen = choose_posts(posts_to_adapt(posts, how, notify, progress), predictor, notify, progress)
    _check(chosen, chosen.fitted, names)
    asked = chosen.grouped.posts.subset([*chosen.fitted, *chosen.drawn])
    vectors = encode_posts(predictor, asked, progress)
    chosen = _readable(chosen, dict(zip(asked.ids, np.logical_or.reduce(list(vectors.present.values())), strict=True)))
    _check(chosen, chosen.fitted, names)
    rows = {id: row for row, id in enumerate(asked.ids)}
    known = names == predictor.labels
    fitted, drawn = (
        _labelled(chosen, ids, vectors.take(np.array([rows[id] for id in ids], dtype=np.int64)), names, onto_old=known)
        for ids in (chosen.fitted, chosen.drawn)
    )
    found = adapt_head(fitted, names, drawn if chosen.drawn else None, progress)
    found = replace(found, left_out=chosen.left_out)
    if output is None or not (found.verdict == "better" or keep_anyway):
        return found
    return replace(found, bundle=write_adapted(Path(output), predictor, found, chosen, fitted).folder)


def _names(given: Sequence[str], known: Labels) -> Labels:
    """Return the labels to fit: the bundle's own, in its order, unless others are named."""
    names = [name.strip() for name in given]
    if not names or {name.lower() for name in names} == {name.lower() for name in known.names}:
        return known
    return Labels(tuple(names))


def _check(chosen: ChosenPosts, ids: Sequence[str], names: Labels) -> None:
    posts, group_of = chosen.grouped.posts.subset(ids), chosen.grouped.groups.group_of
    labels = [str(label) for label in posts.labels]
    check_enough(labels, [group_of[id] for id in ids], names, posts.source, chosen.left_out)


def _readable(chosen: ChosenPosts, readable: Mapping[str, bool]) -> ChosenPosts:
    """Return what was chosen without posts of which nothing can be read."""
    fitted, drawn = ([id for id in ids if readable[id]] for ids in (chosen.fitted, chosen.drawn))
    gone = len(chosen.fitted) + len(chosen.drawn) - len(fitted) - len(drawn)
    left_out = chosen.left_out | ({"with nothing to read": gone} if gone else {})
    return replace(chosen, fitted=fitted, drawn=drawn, left_out=left_out)


def _labelled(chosen: ChosenPosts, ids: Sequence[str], vectors: Vectors, names: Labels, *, onto_old: bool) -> Labelled:
    posts, group_of = chosen.grouped.posts.subset(ids), chosen.grouped.groups.group_of
    true = np.array([names.id(str(label)) for label in posts.labels], dtype=np.int64)
    return Labelled(vectors, true, np.array([group_of[id] for id in ids], dtype=np.int64), len(names), onto_old)
