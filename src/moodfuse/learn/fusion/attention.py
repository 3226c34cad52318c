"""Building blocks of the fusions with attention; attention over a single possible key is refused."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.base import Encoded


class Attention(nn.Module):
    """softmax(Q K' / sqrt(width / heads)) V over the visible keys and, with `null_key`, a learned null key and value.

    `fewest` is the smallest number of visible keys that a post may have: 1 if all keys come from the same modality (a
    missing modality is a single learned token), 2 or more if they come from both. Raises `ConfigError` if only one key
    is possible: its weight would be the constant 1 and the query would not matter.
    Source: Vaswani et al., 2017, "Attention is all you need"; the null key is `add_bias_kv` of PyTorch.
    """

    def __init__(self, width: int, heads: int, *, fewest: int, null_key: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        if fewest + null_key < 2:
            raise ConfigError(
                "attention over one possible key: a softmax over one value is the constant 1, whatever the query; "
                "attend to a sequence, or add a null key"
            )
        if width % heads:
            raise ConfigError(f"option heads: expected a divisor of the width {width}, found {heads}")
        self.attend = nn.MultiheadAttention(width, heads, dropout, add_bias_kv=null_key, batch_first=True)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, Q, width) for queries (B, Q, width), keys, values (B, K, width), visible where `mask` (B, K)."""
        hidden = None if mask is None else ~mask
        attended: Tensor = self.attend(queries, keys, values, key_padding_mask=hidden, need_weights=False)[0]
        return attended


class AttentionBlock(nn.Module):
    """x = norm(x + attention(x; context)), then norm(x + W relu(U x)): a Transformer layer, `hidden` wide inside.

    Self-attention if the context is x itself, cross-attention otherwise. `fewest` and `null_key` as in `Attention`.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float, *, fewest: int, null_key: bool = False
    ) -> None:
        super().__init__()
        self.attention = Attention(width, heads, fewest=fewest, null_key=null_key, dropout=dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, width) for x (B, T, width); `mask` (B, K) says which of `context` (B, K, width) is visible."""
        x = self.norms[0](x + self.dropout(self.attention(x, context, context, mask)))
        result: Tensor = self.norms[1](x + self.dropout(self.feed_forward(x)))
        return result


def sequence(encoded: Encoded | None) -> tuple[Tensor, Tensor]:
    """Return an encoding's tokens (B, T, D) and mask (B, T). Raises `ValueError` if it holds none."""
    if encoded is None or encoded.tokens is None or encoded.mask is None:
        raise ValueError("a fusion that consumes tokens was given none")
    return encoded.tokens, encoded.mask


def lead(token: Tensor, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Put learned tokens (L, D), all visible, before the sequence x (B, T, D): return (B, L + T, D) and its mask."""
    leaders = token.expand(x.shape[0], -1, -1)  # (B, L, D)
    seen = torch.ones_like(leaders[..., 0], dtype=torch.bool)  # (B, L)
    return torch.cat([leaders, x], 1), torch.cat([seen, mask], 1)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, D) over the visible positions of x (B, T, D)."""
    weights = mask.unsqueeze(-1).to(x.dtype)  # (B, T, 1)
    return (x * weights).sum(1) / weights.sum(1)
