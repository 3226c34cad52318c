"""Loss weights and learning-rate schedules."""

import pytest
import torch

from moodfuse.learn.optimisation import class_weights, rate_schedule

TARGETS = torch.tensor([0] * 8 + [1] * 2)


def test_class_weights_undo_the_imbalance_wholly_or_by_half() -> None:
    assert class_weights(TARGETS, 2, "none").tolist() == [1, 1]
    balanced = class_weights(TARGETS, 2, "balanced")
    assert balanced.tolist() == [10 / 16, 10 / 4]
    torch.testing.assert_close(class_weights(TARGETS, 2, "sqrt"), balanced.sqrt())


def test_a_class_without_posts_has_a_finite_weight() -> None:
    assert torch.isfinite(class_weights(TARGETS, 3, "balanced")).all()


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rates_rise_to_one_and_then_follow_their_schedule(schedule: str) -> None:
    factor = rate_schedule(100, 0.1, schedule)
    values = [factor(step) for step in range(101)]
    assert values[:10] == sorted(values[:10])
    assert values[10] == 1
    assert max(values) == 1
    assert values[100] == pytest.approx(1 if schedule == "constant" else 0, abs=1e-9)
    assert values[10:] == sorted(values[10:], reverse=True)


def test_without_a_warm_up_the_first_step_is_whole() -> None:
    assert rate_schedule(10, 0.0, "cosine")(0) == 1
