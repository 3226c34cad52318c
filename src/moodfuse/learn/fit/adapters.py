"""LoRA: an encoder's linear layers train through low-rank updates, which are merged into their weights at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from moodfuse.errors import ConfigError


@contextmanager
def low_rank(encoders: nn.ModuleDict, rank: int, seed: int) -> Iterator[None]:
    """Train `encoders` only through updates of rank `rank` inside the block; merge them into the weights at its end.

    The updates have scale 2 and are drawn from `seed`. With a rank of 0 nothing changes. Raises `ConfigError` for an
    encoder without linear layers. Source: Hu et al., 2021, "LoRA"; the updates are those of `peft`.
    """
    if not rank:
        yield
        return
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    torch.manual_seed(seed)
    adapted: list[LoraModel] = []
    for modality, encoder in encoders.items():
        # Not the linear layers of nn.MultiheadAttention, which reads their weights and never runs them.
        linear = [name for name, module in encoder.named_modules() if type(module) is nn.Linear]
        if not linear:
            raise ConfigError(
                f"train.lora={rank}: the {modality} encoder has no linear layers to update; take {modality} out of "
                "train.tune, or set train.lora=0"
            )
        settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear)
        adapted.append(LoraModel(encoder, {"default": settings}, "default"))
    yield
    for adapter in adapted:
        adapter.merge_and_unload()
