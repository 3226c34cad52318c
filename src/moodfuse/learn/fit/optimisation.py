"""Loss weights, learning rates and frozen layers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moodfuse.config import OptimConfig

_GAMMA, _Q = 2.0, 0.7  # the authors' values


def class_weights(targets: Tensor, classes: int, how: str, seen: Tensor | None = None) -> Tensor:
    """Return loss weights (classes,) for ids (N,): `none` 1, `balanced` n / (k n_c), `sqrt` the square root of that.

    `seen` (N,) is how often an epoch sees each post; `None` is once.
    """
    if how == "none":
        return torch.ones(classes)
    counts = torch.bincount(targets, seen, minlength=classes).float().clamp(min=1)
    balanced = counts.sum() / (classes * counts)
    return balanced if how == "balanced" else balanced.sqrt()


def classification_loss(
    logits: Tensor, targets: Tensor, weights: Tensor, *, how: str = "cross_entropy", smoothing: float = 0.0
) -> Tensor:
    """Return the mean loss of logits (B, C) for ids (B,), each post weighted by its class's entry in `weights` (C,).

    `how`: `cross_entropy`; `focal` (Lin et al., 2017, gamma 2), which gives hard posts more weight; `generalized`
    (Zhang and Sabuncu, 2018, q 0.7), between cross-entropy and mean error, which gives likely label errors less weight.
    `smoothing` applies to cross-entropy alone.
    """
    if how == "cross_entropy":
        return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
    log_p = F.log_softmax(logits, -1).gather(1, targets.unsqueeze(1)).squeeze(1)  # (B,)
    losses = -((1 - log_p.exp()) ** _GAMMA) * log_p if how == "focal" else -torch.expm1(_Q * log_p) / _Q
    weight = weights[targets]
    return (weight * losses).sum() / weight.sum()


def rate_schedule(steps: int, warmup: float, schedule: str) -> Callable[[int], float]:
    """Return a function from step to learning-rate factor: linear warm-up, then cosine or linear to 0, or constant."""
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


def layers(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Return an encoder's parameters in groups, from the input up: embeddings or stem, each layer, the rest.

    The layers are the longest `nn.ModuleList` in the encoder; an encoder without a `nn.ModuleList` is a single layer.
    """
    stacks = [list(module) for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    if not stacks:
        return [list(encoder.parameters())]
    longest = sorted(stacks, key=lambda stack: len(stack))[-1]
    place = {id(parameter): i + 1 for i, layer in enumerate(longest) for parameter in layer.parameters()}
    top = max(place.values(), default=0) + 1
    groups: list[list[nn.Parameter]] = [[] for _ in range(top + 1)]
    reached = 0
    for parameter in encoder.parameters():
        reached = max(reached, place.get(id(parameter), 0))
        groups[place.get(id(parameter), top if reached else 0)].append(parameter)
    return [group for group in groups if group]


def freeze(encoder: nn.Module, count: int) -> None:
    """Freeze the lowest `count` groups of an encoder's `layers`."""
    for group in layers(encoder)[:count]:
        for parameter in group:
            parameter.requires_grad_(False)


def keep_statistics(encoder: nn.Module) -> None:
    """Let each batch norm whose weights are frozen keep its running statistics too: call it after `train()`."""
    for module in encoder.modules():
        own = [parameter.requires_grad for parameter in module.parameters(recurse=False)]
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and own and not any(own):
            module.eval()


def parameter_groups(model: nn.Module, encoders: nn.ModuleDict, optim: OptimConfig) -> list[dict[str, object]]:
    """Return AdamW's groups: `lr` for new weights, an encoder's own rate or `encoder_lr` for the weights of encoders.

    Each layer of an encoder has `layer_decay` times the rate of the layer above it.
    """
    rates: dict[int, float] = {}
    for modality, encoder in encoders.items():
        stack = layers(encoder)
        highest = optim.own_lr(modality) or optim.encoder_lr  # type: ignore[arg-type]
        for height, group in enumerate(stack):
            rate = highest * optim.layer_decay ** (len(stack) - 1 - height)
            rates |= {id(parameter): rate for parameter in group}
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decay = 0.0 if parameter.ndim < 2 else optim.weight_decay  # biases, norms and missing tokens
            groups.setdefault((rates.get(id(parameter), optim.lr), decay), []).append(parameter)
    return [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]
