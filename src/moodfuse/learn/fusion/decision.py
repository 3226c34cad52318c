"""Late fusion in the usual sense: each modality is classified alone, and the decisions are combined."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moodfuse.config import Modality
from moodfuse.learn.encoders.base import Encoded
from moodfuse.learn.fusion.base import Fusion, Shapes, choose, fusion


@fusion
class Decision(Fusion):
    """logits = log sum over m of w_m softmax(W_m x_m), m in {text, image}; with `of=logits`, sum of w_m W_m x_m.

    `rule=average` fixes w at 1/2, `weighted` learns it (softmax of one number per modality). `stacked` gives
    V [W_text x_text; W_image x_image] + b, with V and b fitted after training, on logits for posts that the classifiers
    had not seen; the classifiers train with the average of the logits. x_m (B, D_m) are the pooled vectors. The
    classifiers W_m also serve as the model's auxiliary heads: with `model.auxiliary` above 0, each learns to decide
    alone, which is the difference from `concat`.
    Source: Kittler et al., 1998, "On combining classifiers"; Wolpert, 1992, "Stacked generalization".
    """

    name = "decision"
    family = "decision"
    source = "Kittler et al. 1998"
    interacts = False

    def __init__(self, shapes: Shapes, *, rule: str = "average", of: str = "probabilities") -> None:
        super().__init__()
        rule = choose("rule", rule, ("average", "weighted", "stacked"))
        self.of_probabilities = choose("of", of, ("probabilities", "logits")) == "probabilities"
        self.text = nn.Linear(shapes.text, shapes.classes)
        self.image = nn.Linear(shapes.image, shapes.classes)
        self.weights = nn.Parameter(torch.zeros(2)) if rule == "weighted" else None
        self.stack = _averaging(shapes.classes) if rule == "stacked" else None

    def classifiers(self) -> dict[Modality, nn.Module]:
        return {"text": self.text, "image": self.image}

    def stacker(self) -> nn.Linear | None:
        return self.stack

    def forward(self, text: Encoded | None, image: Encoded | None) -> Tensor:
        assert text is not None
        assert image is not None
        each = torch.stack([self.text(text.pooled), self.image(image.pooled)], 1)  # (B, 2, classes)
        if self.stack is not None:
            stacked: Tensor = self.stack(each.flatten(1))  # (B, classes)
            return stacked
        weights = torch.zeros(2).to(each) if self.weights is None else self.weights
        shares = torch.log_softmax(weights, 0).unsqueeze(-1)  # (2, 1), logarithms
        if self.of_probabilities:
            return torch.logsumexp(shares + torch.log_softmax(each, -1), 1)  # (B, classes)
        return (shares.exp() * each).sum(1)


def _averaging(classes: int) -> nn.Linear:
    """Return a layer that averages two modalities' logits and is not trained by gradients."""
    layer = nn.Linear(2 * classes, classes).requires_grad_(False)
    layer.weight.copy_(torch.eye(classes).repeat(1, 2) / 2)
    layer.bias.zero_()
    return layer
