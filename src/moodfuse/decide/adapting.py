"""Fit a head on labelled posts, prove it, and calibrate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moodfuse.decide.adaptation import Adaptation
from moodfuse.decide.calibrating import calibrate
from moodfuse.decide.encoded_posts import Array
from moodfuse.decide.fitting import SHARES, cross_validate, fit_head, repeats_of
from moodfuse.decide.head import Labelled
from moodfuse.decide.proof import compare_heads, draw_curve
from moodfuse.errors import DataError, MissingExtraError
from moodfuse.labels import Labels
from moodfuse.progress import Progress, silent

try:
    from threadpoolctl import threadpool_limits
except ImportError as error:
    raise MissingExtraError(
        "adapting needs threadpoolctl, which is not installed; pip install 'moodfuse[adapt]'"
    ) from error

#: Fewest posts to fit a head on, and fewest of each label: else a part of them teaches nothing. Near-duplicates of a
#: post count as one.
LEAST_POSTS, LEAST_OF_LABEL = 20, 3


def adapt_head(
    labelled: Labelled, names: Labels, drawn: Labelled | None = None, progress: Progress = silent
) -> Adaptation:
    """Fit a head on labelled posts, and compare it with what there was on posts that it has not seen.

    `drawn` are posts drawn at random, which are answered once, at the end.
    """
    with threadpool_limits(limits=1):  # so small are the matrices that threads would wait for one another, for minutes
        return _adapt(labelled, names, drawn, progress)


def _adapt(labelled: Labelled, names: Labels, drawn: Labelled | None, progress: Progress) -> Adaptation:
    repeats = repeats_of(len(labelled.true))
    answers = {share: cross_validate(labelled, share, repeats, progress) for share in SHARES}
    calibration, after = calibrate(labelled, answers[1.0])
    before = before_adapting(labelled, labelled)
    proof = compare_heads(labelled.true, np.repeat(before[None], repeats, axis=0), after, labelled.groups, names)
    head, strength = fit_head(labelled)
    test = None
    if drawn is not None:
        probabilities = calibration.temperatures.probabilities(head.logits(drawn.posts), drawn.posts)
        test = compare_heads(
            drawn.true, before_adapting(labelled, drawn)[None], probabilities[None], drawn.groups, names
        )
    curve = draw_curve(labelled, {share: one.whole for share, one in answers.items()})
    return Adaptation(
        names.names, labelled.onto_old, len(labelled.true), strength, proof, curve, test, calibration, head
    )


def check_enough(
    labels: Sequence[str], groups: Sequence[int], names: Labels, source: str, left_out: Mapping[str, int]
) -> None:
    """Raise `DataError` where the posts with these labels and groups of near-duplicates are too few for a head.

    The message says what was `left_out`.
    """
    found = len(set(groups))
    others = "".join(f"; left out were {count} {reason}" for reason, count in left_out.items())
    if found < LEAST_POSTS:
        raise DataError(
            f"{source}: expected {LEAST_POSTS} labelled posts or more to adapt to (100 say much more), found {found} "
            f"that are no near-duplicates of another{others}; label more of them"
        )
    for name in names.names:
        mine = len({group for group, label in zip(groups, labels, strict=True) if label == name})
        if mine < LEAST_OF_LABEL:
            raise DataError(
                f"{source}: label {name!r}: expected {LEAST_OF_LABEL} posts or more that are no near-duplicates of one "
                f"another, found {mine}{others}; label more of them, or name the labels that you have with --labels"
            )


def before_adapting(fitted: Labelled, posts: Labelled) -> Array:
    """Return the probabilities (N, C) of what there was before: the bundle's, or the most frequent label's."""
    if posts.onto_old:
        return np.exp(posts.posts.logs)
    most = int(np.bincount(fitted.true).argmax())
    return np.tile(np.eye(fitted.labels)[most], (len(posts.true), 1))
