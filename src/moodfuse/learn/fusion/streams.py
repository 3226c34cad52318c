"""Transformer layers over text tokens and image regions: in one stream, in two, or through a bottleneck.

The bias of each modality's projection is its embedding: it distinguishes text tokens from image regions. The text
encoder has already put positions into its tokens; regions get no positions, since their number depends on the encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.attention import AttentionBlock, lead, masked_mean, sequence
from moodfuse.learn.fusion.base import Fusion, Shapes, fusion, share, whole_number


@fusion
class SingleStream(Fusion):
    """logits = W x_CLS, x = `layers` Transformer layers over [CLS; text tokens; image regions] (B, 1 + T + R, width).

    Text tokens and image regions are projected linearly, each modality with its own weights and embedding.
    Sources: one of the five course reports (there the layer got (B, 512) and attended across the batch);
    Li et al., 2019, "VisualBERT".
    """

    name = "single_stream"
    family = "attention over sequences"
    source = "one of the five course reports; Li et al. 2019 (VisualBERT)"
    consumes = "tokens"
    interacts = True

    def __init__(
        self,
        shapes: Shapes,
        *,
        width: int = 256,
        heads: int = 16,
        layers: int = 1,
        hidden: int = 512,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        width, heads = whole_number("width", width, least=1), whole_number("heads", heads, least=1)
        hidden, rate = whole_number("hidden", hidden, least=1), share("dropout", dropout)
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Linear(shapes.image, width)
        self.cls = nn.Parameter(torch.randn(1, width) * 0.02)
        self.layers = nn.ModuleList(
            AttentionBlock(width, heads, hidden, rate, fewest=3) for _ in range(whole_number("layers", layers, least=1))
        )
        self.dropout = nn.Dropout(rate)
        self.classify = nn.Linear(width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        (words, seen_words), (regions, seen_regions) = sequence(text), sequence(image)
        joined = torch.cat([self.text(words), self.image(regions)], 1)  # (B, T + R, width)
        x, mask = lead(self.cls, joined, torch.cat([seen_words, seen_regions], 1))  # (B, 1 + T + R, width)
        for layer in self.layers:
            x = layer(x, x, mask)
        logits: Tensor = self.classify(self.dropout(x[:, 0]))  # (B, classes)
        return logits


@fusion
class DualStream(Fusion):
    """logits = W [mean of the text stream; mean of the image stream] after co-attention in both directions.

    Text tokens (B, T, width) pass through their own Transformer layer; then each stream queries the other (keys and
    values) and passes through another layer of its own. Every layer has a learned null key beside its keys.
    Sources: one of the five course reports (which discarded the co-attended text); Lu et al., 2019, "ViLBERT".
    """

    name = "dual_stream"
    family = "attention over sequences"
    source = "one of the five course reports; Lu et al. 2019 (ViLBERT)"
    consumes = "tokens"
    interacts = True

    def __init__(
        self, shapes: Shapes, *, width: int = 128, heads: int = 8, hidden: int = 512, dropout: float = 0.3
    ) -> None:
        super().__init__()
        width, heads = whole_number("width", width, least=1), whole_number("heads", heads, least=1)
        hidden, rate = whole_number("hidden", hidden, least=1), share("dropout", dropout)
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Linear(shapes.image, width)
        self.text_first, self.text_to_image, self.image_to_text, self.text_last, self.image_last = (
            AttentionBlock(width, heads, hidden, rate, fewest=1, null_key=True) for _ in range(5)
        )
        self.dropout = nn.Dropout(rate)
        self.classify = nn.Linear(2 * width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        (words, seen_words), (regions, seen_regions) = sequence(text), sequence(image)
        a = self.text(words)  # (B, T, width)
        b = self.image(regions)  # (B, R, width)
        a = self.text_first(a, a, seen_words)
        a, b = self.text_to_image(a, b, seen_regions), self.image_to_text(b, a, seen_words)
        a, b = self.text_last(a, a, seen_words), self.image_last(b, b, seen_regions)
        pooled = torch.cat([masked_mean(a, seen_words), masked_mean(b, seen_regions)], -1)  # (B, 2 width)
        logits: Tensor = self.classify(self.dropout(pooled))  # (B, classes)
        return logits


@fusion
class Bottleneck(Fusion):
    """logits = (W_t CLS_text + W_i CLS_image) / 2; the modalities meet only in `bottlenecks` learned tokens z.

    In each of `layers` layers, [z; CLS; text tokens] and [z; CLS; image regions] each pass through a Transformer layer
    of their modality, and z becomes the mean of the two output z. A modality needs two layers to reach the other.
    The paper's layers before the fusion are the encoders here.
    Source: Nagrani et al., 2021, "Attention bottlenecks for multimodal fusion" (MBT).
    """

    name = "bottleneck"
    family = "attention over sequences"
    source = "Nagrani et al. 2021 (MBT)"
    consumes = "tokens"
    interacts = True

    def __init__(
        self,
        shapes: Shapes,
        *,
        width: int = 128,
        heads: int = 8,
        layers: int = 2,
        bottlenecks: int = 4,
        hidden: int = 256,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        width, heads = whole_number("width", width, least=1), whole_number("heads", heads, least=1)
        hidden, rate = whole_number("hidden", hidden, least=1), share("dropout", dropout)
        depth = whole_number("layers", layers, least=2)
        self.bottlenecks = nn.Parameter(torch.randn(whole_number("bottlenecks", bottlenecks, least=1), width) * 0.02)
        self.cls = nn.Parameter(torch.randn(2, 1, width) * 0.02)
        self.text = nn.Linear(shapes.text, width)
        self.image = nn.Linear(shapes.image, width)
        fewest = bottlenecks + 2  # with the CLS and the token of a missing modality
        self.text_layers, self.image_layers = (
            nn.ModuleList(AttentionBlock(width, heads, hidden, rate, fewest=fewest) for _ in range(depth))
            for _ in range(2)
        )
        self.dropout = nn.Dropout(rate)
        self.classify_text = nn.Linear(width, shapes.classes)
        self.classify_image = nn.Linear(width, shapes.classes)

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        (words, seen_words), (regions, seen_regions) = sequence(text), sequence(image)
        size = len(self.bottlenecks)
        a, seen_words = lead(torch.cat([self.bottlenecks, self.cls[0]]), self.text(words), seen_words)
        b, seen_regions = lead(torch.cat([self.bottlenecks, self.cls[1]]), self.image(regions), seen_regions)
        for text_layer, image_layer in zip(self.text_layers, self.image_layers, strict=True):
            a, b = text_layer(a, a, seen_words), image_layer(b, b, seen_regions)  # (B, Z + 1 + T, width), same with R
            shared = (a[:, :size] + b[:, :size]) / 2  # (B, Z, width)
            a, b = torch.cat([shared, a[:, size:]], 1), torch.cat([shared, b[:, size:]], 1)
        text_logits: Tensor = self.classify_text(self.dropout(a[:, size]))  # (B, classes)
        image_logits: Tensor = self.classify_image(self.dropout(b[:, size]))
        return (text_logits + image_logits) / 2
