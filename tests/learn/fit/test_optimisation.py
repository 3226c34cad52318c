"""Losses, their weights and learning-rate schedules."""

import pytest
import torch

from moodfuse.errors import ConfigError
from moodfuse.learn.fit.optimisation import class_weights, classification_loss, rate_schedule
from moodfuse.settings import build_config

TARGETS = torch.tensor([0] * 8 + [1] * 2)


def test_class_weights_undo_the_imbalance_wholly_or_by_half() -> None:
    assert class_weights(TARGETS, 2, "none").tolist() == [1, 1]
    balanced = class_weights(TARGETS, 2, "balanced")
    assert balanced.tolist() == [10 / 16, 10 / 4]
    torch.testing.assert_close(class_weights(TARGETS, 2, "sqrt"), balanced.sqrt())


def test_a_class_without_posts_has_a_finite_weight() -> None:
    assert torch.isfinite(class_weights(TARGETS, 3, "balanced")).all()


def test_focal_counts_the_hard_for_more_and_generalized_the_unlikely_for_less() -> None:
    targets, even = torch.tensor([0, 0]), torch.ones(2)

    def share_of_the_second(second: float, how: str) -> float:
        logits = torch.tensor([[2.0, 0.0], [second, 0.0]], requires_grad=True)
        classification_loss(logits, targets, even, how=how).backward()
        assert logits.grad is not None
        pull = logits.grad[:, 0].abs()
        return float(pull[1] / pull.sum())

    unsure, wrong = 0.5, -4.0
    assert share_of_the_second(unsure, "focal") > share_of_the_second(unsure, "cross_entropy") > 0.5
    assert share_of_the_second(wrong, "generalized") < 0.5 < share_of_the_second(wrong, "cross_entropy")


@pytest.mark.parametrize("how", ["cross_entropy", "focal", "generalized"])
def test_a_class_of_weight_zero_does_not_count(how: str) -> None:
    logits, targets = torch.tensor([[1.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 0])
    more = torch.cat([logits, torch.tensor([[9.0, -9.0]])]), torch.tensor([0, 0, 1])
    weights = torch.tensor([1.0, 0.0])
    expected = classification_loss(logits, targets, weights, how=how)
    torch.testing.assert_close(classification_loss(*more, weights, how=how), expected)


def test_smoothing_is_of_cross_entropy_alone() -> None:
    with pytest.raises(ConfigError, match=r"train\.label_smoothing goes with train\.loss=cross_entropy"):
        build_config([{"train": {"loss": "focal", "label_smoothing": 0.1}}])


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
