"""Masks of dropout that cost next to nothing on a CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

_STEPS = 65_536  # a probability is met to half of one in so many: 16 random bits decide about an element
_HALF = _STEPS // 2


@contextmanager
def fast_dropout() -> Iterator[None]:
    """Have torch draw the masks of dropout on a CPU sixteen bits at a time, as long as this lasts.

    Its own generator takes several ns an element, one after the other, while the other cores wait; NumPy's SFC64 takes
    one. A mask is still a function of torch's seed alone.
    """
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*[Oo]verriding a previously registered kernel")
        library.impl("bernoulli_.float", _bernoulli, "CPU")  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        library._destroy()  # type: ignore[no-untyped-call]


def _bernoulli(tensor: Tensor, p: float = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
    """Fill `tensor` with ones at probability `p`, with zeros elsewhere."""
    seed = int(torch.randint(2**62, (), generator=generator))
    count, kept = tensor.numel(), round(p * _STEPS)
    if kept == _STEPS:
        return tensor.fill_(1)
    bits = np.random.SFC64(seed).random_raw(count // 4 + 1).view(np.uint16)[:count]
    bits ^= _HALF  # as signed numbers, which torch compares straight into the tensor, they keep their order
    drawn = torch.from_numpy(bits.view(np.int16)).view(tensor.shape)
    return torch.lt(drawn, kept - _HALF, out=tensor)
