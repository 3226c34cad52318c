"""Cross-attention: the text queries the image."""

from __future__ import annotations

from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.attention import AttentionBlock, masked_mean, sequence
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, share, whole_number


@fusion
class CrossAttention(Fusion):
    """logits = W mean(x), x = norm(y + FF(y)), y = norm(a + attention(a; b)): text tokens a query image regions b.

    a (B, T, width) and b (B, R, width) are linear projections. A learned null key is added to the regions, so that a
    token may attend to no region, and the token of a missing image is not the only key.
    Sources: one of the five course reports (there one query saw one key); Tsai et al., 2019, "Multimodal transformer
    for unaligned multimodal language sequences" (MulT).
    """

    name = "cross_attention"
    family = "attention over sequences"
    source = "one of the five course reports; Tsai et al. 2019 (MulT)"
    consumes = "tokens"
    interacts = True

    def __init__(
        self, shapes: Shapes, *, width: int = 128, heads: int = 2, hidden: int = 256, dropout: float = 0.3
    ) -> None:
        super().__init__()
        width, heads = whole_number("width", width, least=1), whole_number("heads", heads, least=1)
        hidden, rate = whole_number("hidden", hidden, least=1), share("dropout", dropout)
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Linear(shapes.image, width)
        self.block = AttentionBlock(width, heads, hidden, rate, fewest=1, null_key=True)
        self.dropout = nn.Dropout(rate)
        self.classify = nn.Linear(width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        (words, seen_words), (regions, seen_regions) = sequence(text), sequence(image)
        x = self.block(self.text(words), self.image(regions), seen_regions)  # (B, T, width)
        logits: Tensor = self.classify(self.dropout(masked_mean(x, seen_words)))  # (B, classes)
        return logits
