"""Which posts are drawn: such as stand for many, each once, and a random part that nothing touches."""

import numpy as np
import pytest

from moodfuse.decide.queue import QueuedPost, QueueDraw, QueuePlan, representatives

LUCK = np.random.default_rng(0)
PROBABILITIES = LUCK.dirichlet((1, 1, 1), 1000).astype(np.float32)
ALL = np.ones(1000, dtype=bool)
VECTORS = LUCK.normal(size=(1000, 8)).astype(np.float32)
ALONE = {row: row for row in range(1000)}


def draw(plan: QueuePlan, there: list[QueuedPost] | None = None, set_aside: int | None = None) -> list[QueuedPost]:
    return QueueDraw(PROBABILITIES, ALL, plan, there or (), set_aside=set_aside).choose(
        ALONE, lambda rows: VECTORS[rows]
    )


def margins(rows: list[int]) -> float:
    ordered = np.sort(PROBABILITIES[rows], axis=1)
    return float((ordered[:, -1] - ordered[:, -2]).mean())


def test_the_queue_is_more_doubtful_than_the_random_part() -> None:
    queue = draw(QueuePlan(200, 0.1))
    taught = [one.row for one in queue if one.drawn == "queue"]
    tests = [one.row for one in queue if one.drawn == "random"]
    assert (len(taught), len(tests)) == (180, 20)
    assert len({*taught, *tests}) == 200
    everywhere = margins(list(range(1000)))
    assert margins(taught) < everywhere
    assert abs(margins(tests) - everywhere) < 0.1
    assert queue == draw(QueuePlan(200, 0.1)) != draw(QueuePlan(200, 0.1, seed=1))


def test_posts_of_which_the_model_is_sure_are_not_forgotten() -> None:
    sure = PROBABILITIES.copy()
    sure[:300] = (0.999, 0.0005, 0.0005)
    apart = VECTORS + np.where(np.arange(1000) < 300, 9, 0)[:, None].astype(np.float32)
    queue = QueueDraw(sure, ALL, QueuePlan(200, 0.1)).choose(ALONE, lambda rows: apart[rows])
    assert 30 < sum(one.row < 300 for one in queue if one.drawn == "queue") < 180 * 0.3


def test_the_random_part_is_the_same_whatever_teaches_and_none_of_what_is_set_aside_does() -> None:
    aside = QueueDraw(PROBABILITIES, ALL, QueuePlan(1000, 0.1))
    assert len(aside.random) == aside.set_aside == 100
    assert not set(aside.random) & set(aside.candidates)
    other = QueueDraw(PROBABILITIES[::-1], ALL, QueuePlan(1000, 0.1))
    assert other.random == aside.random  # whatever the model says of the posts


def test_more_can_be_drawn_later_and_the_random_part_stays_one_sample() -> None:
    first = draw(QueuePlan(100, 0.1))
    more = draw(QueuePlan(200, 0.1), first, 100)
    assert len(more) == 100
    assert not {one.row for one in first} & {one.row for one in more}
    tests = [one.row for one in [*first, *more] if one.drawn == "random"]
    assert set(tests) == set(QueueDraw(PROBABILITIES, ALL, QueuePlan(200, 0.1)).random)
    assert all(one.drawn == "random" for one in draw(QueuePlan(140, 1.0), first, 100))  # as many as are set aside
    assert draw(QueuePlan(50, 0.1), first, 100) == []


@pytest.mark.parametrize(("share", "tests"), [(0.0, 0), (0.001, 1), (0.5, 10), (1.0, 20)])
def test_any_share_can_be_random(share: float, tests: int) -> None:
    queue = draw(QueuePlan(20, share))
    assert [one.drawn for one in queue].count("random") == tests
    assert len(queue) == 20


def test_near_duplicates_are_shown_once_and_none_of_a_random_post() -> None:
    drawing = QueueDraw(PROBABILITIES, ALL, QueuePlan(200, 0.1))
    pairs = {row: row // 2 for row in range(1000)}
    queue = drawing.choose(pairs, lambda rows: VECTORS[rows])
    tests = {pairs[one.row] for one in queue if one.drawn == "random"}
    taught = [pairs[one.row] for one in queue if one.drawn == "queue"]
    assert len(set(taught)) == len(taught) == 180
    assert not tests & set(taught)


def test_a_post_that_cannot_be_labelled_is_never_drawn_and_few_posts_are_all_drawn() -> None:
    few = ALL.copy()
    few[30:] = False
    drawing = QueueDraw(PROBABILITIES, few, QueuePlan(200, 0.1))
    queue = drawing.choose(ALONE, lambda rows: VECTORS[rows])
    assert sorted(one.row for one in queue) == list(range(30))
    assert [one.drawn for one in queue].count("random") == 3


def test_every_group_is_represented_by_its_middle_and_the_heaviest_first() -> None:
    centres = 10 * np.eye(5, dtype=np.float32)
    clusters = np.repeat(centres, 20, axis=0) + LUCK.normal(size=(100, 5)).astype(np.float32)
    clusters[::20] = centres  # the first of each is its middle
    nothing, weights = np.zeros((0, 5), np.float32), np.linspace(1, 0.5, 100)
    assert sorted(place // 20 for place in representatives(clusters, weights, 5, nothing)) == [0, 1, 2, 3, 4]
    near = np.linalg.norm(clusters - centres.repeat(20, axis=0), axis=1)
    assert max(near[representatives(clusters, weights, 5, nothing)]) < np.median(near)
    assert [place // 20 for place in representatives(clusters, weights, 4, centres[:1])] == [1, 2, 3, 4]
    assert len(set(representatives(np.ones((9, 5), np.float32), weights[:9], 7, nothing))) == 7  # equal vectors
    assert representatives(np.ones((9, 0), np.float32), weights[:9], 2, nothing[:, :0]) == [0, 1]
