"""Loss weights and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def class_weights(targets: Tensor, classes: int, how: str) -> Tensor:
    """Return loss weights (classes,) for ids (N,): ones; n / (k n_c) for `balanced`; its square root for `sqrt`."""
    if how == "none":
        return torch.ones(classes)
    counts = torch.bincount(targets, minlength=classes).clamp(min=1)
    balanced = counts.sum() / (classes * counts)
    return balanced if how == "balanced" else balanced.sqrt()


def rate_schedule(steps: int, warmup: float, schedule: str) -> Callable[[int], float]:
    """Return the factor on the learning rates at a step: linear warm-up, then cosine or linear to 0, or constant."""
    rising = round(steps * warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        if schedule == "constant":
            return 1.0
        if schedule == "linear":
            return max(0.0, (steps - step) / max(1, steps - rising))
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return factor
