"""Order of posts in training: seeded by (seed, epoch), sorted by length, never a lone post."""

import pytest

from moodfuse.learn.batches import LengthBatches


def order(size: int, batch_size: int, epoch: int, **options: object) -> list[list[int]]:
    return list(LengthBatches(size, batch_size, epoch=lambda: epoch, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (9, 4), (65, 64), (2, 64), (100, 7)])
def test_every_post_stands_in_one_batch_and_none_is_alone(size: int, batch_size: int) -> None:
    batches = order(size, batch_size, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(size))
    assert min(map(len, batches)) >= 2
    assert len(batches) == len(LengthBatches(size, batch_size))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    assert order(50, 8, 3, seed=1) == order(50, 8, 3, seed=1)
    assert order(50, 8, 3, seed=1) != order(50, 8, 4, seed=1)
    assert order(50, 8, 3, seed=1) != order(50, 8, 3, seed=2)


def test_posts_of_like_length_share_a_batch() -> None:
    lengths = [5, 90, 7, 80, 6, 85, 8, 95]
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in order(8, 4, 0, lengths=lengths)]
    assert max(spread) <= 15


def test_without_an_epoch_the_order_stays() -> None:
    assert list(LengthBatches(5, 2)) == [[0, 1], [2, 3, 4]]
