"""Late fusion in the usual sense: each modality decides alone, and the decisions are combined."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.config import Modality
from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, choose, fusion


@fusion
class Decision(Fusion):
    """logits = log sum over m of w_m softmax(W_m x_m), m in {text, image}; with `of=logits`, sum of w_m W_m x_m.

    `rule=average` fixes w at 1/2, `weighted` learns it (softmax of one number a modality). x_m (B, D_m) are the pooled
    vectors. The classifiers W_m also serve as the model's auxiliary heads: with `model.auxiliary` above 0, each learns
    to decide alone, which is what tells this from `concat`.
    Source: Kittler et al., 1998, "On combining classifiers".
    """

    name = "decision"
    family = "decision"
    source = "Kittler et al. 1998"
    interacts = False

    def __init__(self, shapes: Shapes, *, rule: str = "average", of: str = "probabilities") -> None:
        super().__init__()
        weighted = choose("rule", rule, ("average", "weighted")) == "weighted"
        self.of_probabilities = choose("of", of, ("probabilities", "logits")) == "probabilities"
        self.text = nn.Linear(shapes.text, shapes.classes)
        self.image = nn.Linear(shapes.image, shapes.classes)
        self.weights = nn.Parameter(torch.zeros(2)) if weighted else None

    def classifiers(self) -> dict[Modality, nn.Module]:
        return {"text": self.text, "image": self.image}

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        each = torch.stack([self.text(text.pooled), self.image(image.pooled)], 1)  # (B, 2, classes)
        weights = torch.zeros(2).to(each) if self.weights is None else self.weights
        shares = torch.log_softmax(weights, 0).unsqueeze(-1)  # (2, 1), logarithms
        if self.of_probabilities:
            return torch.logsumexp(shares + torch.log_softmax(each, -1), 1)  # (B, classes)
        return (shares.exp() * each).sum(1)
