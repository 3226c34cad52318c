"""The base class of encoders: modules that turn inputs into `Encoded`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Encoded:
    """The encoding of a modality of B posts.

    `tokens` (B, T, D) are text tokens or image regions, `mask` (B, T) is true at real tokens, `pooled` (B, D) is one
    vector per post. `tokens` and `mask` are `None` if only pooled vectors were requested. Images without an encoder
    come as `pixels` (B, 3, S, S); their `pooled` is the mean colour (B, 3).
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    pixels: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Encoded:
        """Return the encoding with `function` applied to each tensor."""
        return replace(
            self,
            pooled=function(self.pooled),
            tokens=None if self.tokens is None else function(self.tokens),
            mask=None if self.mask is None else function(self.mask),
            pixels=None if self.pixels is None else function(self.pixels),
        )

    def mean_of(self, counts: Tensor) -> Encoded:
        """Return the mean of each post's images, of which this holds (N, ...): `counts` (B,) each, in order."""
        owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)  # (N,)
        first = counts.cumsum(0) - counts  # (B,)

        def mean(values: Tensor) -> Tensor:
            total = values.new_zeros((len(counts), *values.shape[1:])).index_add(0, owner, values)  # (B, ...)
            return total / counts.view(-1, *[1] * (values.dim() - 1))

        return Encoded(
            mean(self.pooled),
            None if self.tokens is None else mean(self.tokens),
            None if self.mask is None else self.mask[first],
        )


def unencoded(pixels: Tensor) -> Encoded:
    """Return images (B, 3, S, S) as an encoding that holds their pixels and mean colours."""
    return Encoded(pixels.mean((2, 3)), pixels=pixels)


def encode_inputs(encode: Callable[..., Encoded] | None, inputs: tuple[Tensor, ...], taken: int) -> Encoded:
    """Return the encodings of B posts; `encode` takes the first `taken` of `inputs`, `None` leaves pixels as they are.

    If posts have several images, `inputs` end with their numbers (B,). A post gets the mean of the encodings of its
    images; without an encoder it gets the pixels of its first image.
    """
    given, counts = inputs[:taken], inputs[taken:]
    if encode is None:
        [pixels] = given
        return unencoded(pixels[counts[0].cumsum(0) - counts[0]] if counts else pixels)
    encoded = encode(*given)
    return encoded.mean_of(counts[0]) if counts else encoded


@dataclass(frozen=True, slots=True)
class VectorPart:
    """An encoder's part of a modality's pooled vector: its width, and whether it is normalised."""

    width: int
    normalise: bool = True


class Encoder(nn.Module):
    """A module whose `forward` takes the tensors that `inputs` names and returns `Encoded`."""

    #: (name, dynamic axes) of each input, in the order of `forward`.
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    #: Width D of the vectors that it returns.
    dim: int

    #: Inputs of the right types and shapes, to trace the module with.
    example: tuple[Tensor, ...]


#: Inputs of an encoder of token ids, (B, T) each: ids, and 1 at real tokens, 0 at padding.
TOKEN_INPUTS = (("input_ids", ("batch", "tokens")), ("attention_mask", ("batch", "tokens")))
#: The input of an encoder of images, (B, 3, S, S).
PIXEL_INPUTS = (("pixels", ("batch",)),)
