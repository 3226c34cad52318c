"""Attention over two tokens: the pooled text and the pooled image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.attention import Attention, AttentionBlock
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, share, whole_number, whole_numbers


class _Pair(nn.Module):
    """[W_t text; W_i image]: both pooled vectors, each through its own layer, as two tokens (B, 2, width)."""

    def __init__(self, shapes: Shapes, width: int) -> None:
        super().__init__()
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Linear(shapes.image, width)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        return torch.stack([self.text(text.pooled), self.image(image.pooled)], dim=1)  # (B, 2, width)


@fusion
class TwoTokenAttention(Fusion):
    """logits = W [o_text; o_image], o = attention(Q, K, V) over the two tokens, `width` wide, `heads` heads.

    Q = [Q_t text; Q_i image], and K and V likewise: each modality has its own projections, because the two do not share
    a space. Each query always has two keys, so no weight is constant.
    Source: one of the five course reports (whose forward always returned the text branch).
    """

    name = "mha"
    family = "attention over two tokens"
    source = "one of the five course reports"
    interacts = True

    def __init__(self, shapes: Shapes, *, width: int = 1000, heads: int = 2, dropout: float = 0.3) -> None:
        super().__init__()
        width = whole_number("width", width, least=1)
        rate = share("dropout", dropout)
        self.queries, self.keys, self.values = (_Pair(shapes, width) for _ in range(3))
        self.attention = Attention(width, whole_number("heads", heads, least=1), fewest=2, dropout=rate)
        self.dropout = nn.Dropout(rate)
        self.classify = nn.Linear(2 * width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        queries, keys, values = (pair(text, image) for pair in (self.queries, self.keys, self.values))
        attended = self.attention(queries, keys, values)  # (B, 2, width)
        logits: Tensor = self.classify(self.dropout(attended.flatten(1)))  # (B, classes)
        return logits


@fusion
class TwoTokenTransformer(Fusion):
    """logits = MLP([x_text; x_image]), x = `layers` Transformer layers over the two tokens, `width` wide.

    The MLP goes 2 width -> each of `classifier` (ReLU, dropout) -> classes. The report's auxiliary text and image
    classifiers are the setting `model.auxiliary` of every fusion (0.2 there); it does not state a feed-forward width.
    Source: one of the five course reports.
    """

    name = "transformer"
    family = "attention over two tokens"
    source = "one of the five course reports"
    interacts = True

    def __init__(
        self,
        shapes: Shapes,
        *,
        width: int = 1000,
        heads: int = 2,
        layers: int = 2,
        hidden: int = 1000,
        classifier: Sequence[int] = (1000, 200, 40),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        width, heads = whole_number("width", width, least=1), whole_number("heads", heads, least=1)
        hidden, rate = whole_number("hidden", hidden, least=1), share("dropout", dropout)
        self.pair = _Pair(shapes, width)
        self.layers = nn.ModuleList(
            AttentionBlock(width, heads, hidden, rate, fewest=2) for _ in range(whole_number("layers", layers, least=1))
        )
        widths = [2 * width, *whole_numbers("classifier", classifier, least=1)]
        steps: list[nn.Module] = []
        for before, after in pairwise(widths):
            steps += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(rate)]
        self.classify = nn.Sequential(*steps, nn.Linear(widths[-1], shapes.classes))

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        x = self.pair(text, image)  # (B, 2, width)
        for layer in self.layers:
            x = layer(x, x)
        logits: Tensor = self.classify(x.flatten(1))  # (B, classes)
        return logits


@fusion
class ResidualAttention(Fusion):
    """logits = W norm(h + FF(h)), h = the mean of attention over the two tokens, FF(h) = V relu(U h).

    Text is projected to `width`; image to `image_hidden`, batch norm, ReLU, dropout, then `width`. U doubles the width.
    Source: one of the five course reports.
    """

    name = "residual_attention"
    family = "attention over two tokens"
    source = "one of the five course reports"
    interacts = True

    def __init__(
        self, shapes: Shapes, *, width: int = 128, image_hidden: int = 256, heads: int = 8, dropout: float = 0.5
    ) -> None:
        super().__init__()
        width = whole_number("width", width, least=1)
        between = whole_number("image_hidden", image_hidden, least=1)
        rate = share("dropout", dropout)
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Sequential(
            nn.Linear(shapes.image, between),
            nn.BatchNorm1d(between),
            nn.ReLU(),
            nn.Dropout(rate),
            nn.Linear(between, width),
        )
        self.attention = Attention(width, whole_number("heads", heads, least=1), fewest=2)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(rate), nn.Linear(2 * width, width)
        )
        self.norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        x = torch.stack([self.text(text.pooled), self.image(image.pooled)], dim=1)  # (B, 2, width)
        pooled = self.attention(x, x, x).mean(1)  # (B, width)
        logits: Tensor = self.classify(self.norm(pooled + self.feed_forward(pooled)))  # (B, classes)
        return logits
