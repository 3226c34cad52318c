"""Which posts teach more: those that the queue of `moodfuse review` picks, or as many drawn at random?

    python benchmarks/picks.py [--texts TEXTS --texts-from BUNDLE] [--posts DATA --posts-from BUNDLE] [--draws 8]

The targets are those of `adapt.py`, up to 3,000 posts of each. In every draw 800 of them are set aside to test on,
anew, and from the others, less their near-duplicates, posts are picked by the queue and at random. A head is fitted on
either, by the code behind the command. The first table tells the accuracy on the test posts, the difference with a 95 %
interval over draws and posts, and in how many draws the command would refuse the random posts, and those of the queue,
since a label has fewer than three.

The second table tells what cross-validation on the random posts alone said of the gain, less the gain on the test
posts: both are drawn anew from the same posts, so what is not 0 is the proof's own bias. Its interval is over draws
(Student's t).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from adapt import SIZES, TESTED, Target, arguments, encoded, targets
from numpy.typing import NDArray
from scipy.stats import t as students
from threadpoolctl import threadpool_limits

from moodfuse import Predictor
from moodfuse.decide.adapting import LEAST_OF_LABEL, before_adapting
from moodfuse.decide.fitting import cross_validate, fit_head
from moodfuse.decide.head import Labelled
from moodfuse.decide.queue import QueueDraw, QueuePlan
from moodfuse.decide.vectors import post_vectors
from moodfuse.evaluate.intervals import percentiles

MOST = 3_000
#: Numbers of labels that are cross-validated, too.
CHECKED = 200
_RESAMPLES = 2_000
Right = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pool:
    """The posts of a target as a head sees them, and the vectors (N, D) that the queue sees."""

    posts: Labelled
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Draw:
    """Whether heads are right on the posts of a draw, (N,): 1 or 0, NaN for posts that do not test."""

    before: Right
    random: Right
    queue: Right
    #: whether the command would refuse the random posts, and those of the queue, since a label is too rare
    refused: tuple[bool, bool]
    #: what cross-validation on the random posts said of the gain; NaN where it was not asked
    said: float


def main() -> None:
    given = arguments(__doc__).parse_args()
    bias = []
    print("| posts | labels | before | random | queue | queue less random, points | refused |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for target, bundle in targets(given, MOST):
        pool = pool_of(target, bundle)
        for size in SIZES:
            with threadpool_limits(limits=1):
                draws = [draw(pool, size, seed) for seed in range(given.draws)]
            print(picks_row(target, size, draws, pool.posts.groups), flush=True)
            if size <= CHECKED:
                bias.append(bias_row(target, size, draws))
    print("\n| posts | labels | gain, points | cross-validation said | too much by | before, by test posts |")
    print("|---|---|---|---|---|---|")
    print("\n".join(bias))


def pool_of(target: Target, bundle: Path) -> Pool:
    """Encode the posts of a target."""
    predictor = Predictor.load(bundle)
    return Pool(encoded(target, predictor), post_vectors(predictor, list(target.posts)))


def draw(pool: Pool, size: int, seed: int) -> Draw:
    """Part the posts, pick so many by the queue and at random, and answer the test posts by heads fitted on them."""
    posts = pool.posts
    shuffled = np.random.default_rng([3, seed]).permutation(len(posts.true))
    tested, rest = shuffled[:TESTED], shuffled[TESTED:]
    rest = rest[~np.isin(posts.groups[rest], posts.groups[tested])]
    test, at_random = posts.take(tested), posts.take(rest[:size])
    queued = posts.take(rest[queue(posts.take(rest), pool.vectors[rest], size, seed)])
    answers = {
        "before": before_adapting(at_random, test),
        "random": fit_head(at_random)[0].logits(test.posts),
        "queue": fit_head(queued)[0].logits(test.posts),
    }
    right = {name: np.full(len(posts.true), np.nan) for name in answers}
    for name, table in answers.items():
        right[name][tested] = table.argmax(1) == test.true
    rarest = [np.bincount(one.true, minlength=posts.labels).min() for one in (at_random, queued)]
    refused = (bool(rarest[0] < LEAST_OF_LABEL), bool(rarest[1] < LEAST_OF_LABEL))
    said = float("nan")
    if size <= CHECKED:
        after = cross_validate(at_random).whole[0].argmax(1) == at_random.true
        said = float(np.mean(after) - np.mean(before_adapting(at_random, at_random).argmax(1) == at_random.true))
    return Draw(**right, refused=refused, said=said)


def queue(posts: Labelled, vectors: NDArray[np.float32], size: int, seed: int) -> list[int]:
    """Return the places of so many posts that the queue of a review picks, none of them at random."""
    probabilities = np.exp(posts.posts.logs).astype(np.float32)
    drawing = QueueDraw(probabilities, np.ones(len(vectors), dtype=bool), QueuePlan(size, share=0.0, seed=seed))
    groups = dict(enumerate(posts.groups.tolist()))
    return [one.row for one in drawing.choose(groups, lambda rows: vectors[list(rows)])]


def picks_row(target: Target, size: int, draws: list[Draw], groups: NDArray[np.int64]) -> str:
    """Return the row of the first table."""
    before, at_random, queued = (
        np.nanmean([getattr(one, name) for one in draws]) for name in ("before", "random", "queue")
    )
    low, high = interval(np.stack([one.queue - one.random for one in draws]), groups)
    refused = [sum(one.refused[at] for one in draws) for at in (0, 1)]
    return (
        f"| {target.name} | {size} | {before:.3f} | {at_random:.3f} | {queued:.3f} | "
        f"{100 * (queued - at_random):+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) | {refused[0]}, {refused[1]} |"
    )


def interval(values: Right, groups: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values (R, N), NaN where there are none.

    The bootstrap resamples groups of near-duplicates, (N,), and draws, one fewer than there are (Rao and Wu 1988).
    """
    members = np.unique(groups, return_inverse=True)[1]
    known = np.isfinite(values)
    parts = (np.where(known, values, 0), known.astype(float))
    sums, counts = (np.stack([np.bincount(members, weights=row) for row in part]) for part in parts)
    luck, (draws, size) = np.random.default_rng(0), sums.shape
    of_draws = luck.multinomial(max(1, draws - 1), np.full(draws, 1 / draws), _RESAMPLES)
    of_groups = luck.multinomial(size, np.full(size, 1 / size), _RESAMPLES)
    total, count = ((of_draws @ part * of_groups).sum(1) for part in (sums, counts))
    return percentiles(total / count)


def bias_row(target: Target, size: int, draws: list[Draw]) -> str:
    """Return the row of the second table."""
    gains = np.array([np.nanmean(one.random) - np.nanmean(one.before) for one in draws])
    said, before = np.array([one.said for one in draws]), np.array([np.nanmean(one.before) for one in draws])
    much = said - gains
    half = students.ppf(0.975, len(draws) - 1) * much.std(ddof=1) / len(draws) ** 0.5
    return (
        f"| {target.name} | {size} | {100 * gains.mean():+.1f} | {100 * said.mean():+.1f} | {100 * much.mean():+.1f} "
        f"({100 * (much.mean() - half):+.1f} to {100 * (much.mean() + half):+.1f}) | "
        f"{before.min():.3f} to {before.max():.3f} |"
    )


if __name__ == "__main__":
    main()
