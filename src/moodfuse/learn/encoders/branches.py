"""One text encoder several times over: branches that start alike and train apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import DerivedText, Encoded, Encoder, TextSource


class Branches(Encoder):
    """K encoders over the same inputs; their vectors and tokens stand side by side, `dim` is K times as wide.

    What stays alike, their frozen lower layers, a graph holds and computes once.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.inputs = encoders[0].inputs
        self.example = encoders[0].example
        self.dim = sum(encoder.dim for encoder in encoders)

    def forward(self, *inputs: Tensor) -> Encoded:
        """Return `pooled` (B, K D) and `tokens` (B, T, K D)."""
        found: list[Encoded] = [encoder(*inputs) for encoder in self.encoders]
        tokens = torch.cat([one.tokens for one in found if one.tokens is not None], -1)
        return Encoded(torch.cat([one.pooled for one in found], -1), tokens, found[0].mask)


class BranchedSource(DerivedText):
    """`count` copies of what `base` gives."""

    def __init__(self, base: TextSource, count: int) -> None:
        self.base = base
        self.count = count
        self.name = base.name
        self.summary = f"{base.summary}, {count} branches"

    @property
    def weights(self) -> tuple[Path, ...]:
        return self.base.weights

    def load(self) -> Branches:
        return Branches([self.base.load() for _ in range(self.count)])

    def _preparation(self) -> str:
        return f"{self.count} x {self.base._preparation()}"
