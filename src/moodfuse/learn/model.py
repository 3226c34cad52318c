"""The whole model: encoders (if they train), missing-modality tokens, a fusion, auxiliary heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moodfuse.config import Modality
from moodfuse.learn.encoders.base import Encoded, Encoder, VectorPart, encode_inputs, unencoded
from moodfuse.learn.fusion import Fusion

#: A modality of a batch: encodings (frozen encoder), or the inputs of an encoder that trains.
Inputs = Encoded | tuple[Tensor, ...]
_COLOURS = 3  # width of an image's vector if no encoder reads the image: its mean colour


@dataclass(frozen=True, slots=True)
class Batch:
    """B posts as tensors. A modality that the model does not read is `None`; `*_present` are (B,) booleans."""

    text: Inputs | None
    image: Inputs | None
    text_present: Tensor
    image_present: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""

        def move(value: Inputs | Tensor | None) -> Inputs | Tensor | None:
            if isinstance(value, Encoded):
                return value.map(lambda tensor: tensor.to(device))
            if isinstance(value, tuple):
                return tuple(tensor.to(device) for tensor in value)
            return None if value is None else value.to(device)

        return Batch(**{field.name: move(getattr(self, field.name)) for field in fields(self)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Output:
    """Logits (B, classes) of the fusion and, if the model has them, of the auxiliary heads."""

    logits: Tensor
    text: Tensor | None = None
    image: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A modality's contribution to the model: the width of its pooled vector, its encoder if that trains, its parts.

    `parts` divide the pooled vector; they are needed if it has several parts or must not be normalised.
    """

    width: int
    encoder: Encoder | None = None
    parts: Sequence[VectorPart] = ()


class MissingToken(nn.Module):
    """A learned vector that replaces the encoding of an absent modality.

    Encodings are first layer-normalised without weights: encoders differ in scale by a factor of ten, and a linear
    probe on normalised vectors is as good as a probe on standardised columns, with nothing to fit. The vectors of
    joined encoders are normalised part by part. A part with `normalise=False` stays as it is: its scale is known.
    """

    def __init__(self, dim: int, parts: Sequence[VectorPart] = ()) -> None:
        """`parts` divide a vector of width `dim`; without them the vector is a single, normalised part."""
        super().__init__()
        self.parts = tuple(parts) or (VectorPart(dim),)
        if sum(part.width for part in self.parts) != dim:
            raise ValueError(f"parts of {[part.width for part in self.parts]} do not make a vector {dim} wide")
        self.token = nn.Parameter(torch.randn(dim) * 0.02)

    def forward(self, encoded: Encoded, present: Tensor) -> Encoded:
        """Return `encoded`, normalised, with the token in place of each post where `present` (B,) is false."""
        seen = present.unsqueeze(-1)  # (B, 1)
        pooled = torch.where(seen, self._to_scale(encoded.pooled), self.token)  # (B, D)
        if encoded.tokens is None or encoded.mask is None:
            return Encoded(pooled)
        tokens = torch.where(seen.unsqueeze(-1), _normalise(encoded.tokens), self.token)  # (B, T, D)
        first = torch.zeros_like(encoded.mask)
        first[:, 0] = True
        mask = (seen & encoded.mask) | (~seen & first)  # what torch.where would give, which ONNX Runtime lacks for bool
        return Encoded(pooled, tokens, mask)

    def _to_scale(self, pooled: Tensor) -> Tensor:
        if len(self.parts) == 1:
            return _normalise(pooled) if self.parts[0].normalise else pooled
        values = torch.split(pooled, [part.width for part in self.parts], -1)
        return torch.cat([_normalise(v) if p.normalise else v for p, v in zip(self.parts, values, strict=True)], -1)


class MissingPicture(nn.Module):
    """A learned picture, 3 x 14 x 14 and enlarged, that replaces absent pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Parameter(torch.randn(1, 3, 14, 14) * 0.02)

    def forward(self, encoded: Encoded, present: Tensor) -> Encoded:
        """Return the images, with the learned picture in place of each post where `present` (B,) is false."""
        if encoded.pixels is None:
            raise ValueError("a fusion that consumes pixels was given none")
        learned = F.interpolate(self.picture, size=encoded.pixels.shape[-2:], mode="bilinear", align_corners=False)
        return unencoded(torch.where(present.view(-1, 1, 1, 1), encoded.pixels, learned))  # (B, 3, S, S)


class FusionModel(nn.Module):
    """Encoders -> missing-modality tokens -> fusion -> logits, with auxiliary heads beside it.

    A modality whose branch has no encoder arrives as encodings. A post without any modality that the fusion reads gets
    `prior`, the training shares of the classes (C,). With `own_heads`, the auxiliary head of a modality answers the
    posts that hold nothing else; otherwise the fusion does, with a token in the other's place.
    """

    prior: Tensor

    def __init__(
        self,
        fusion: Fusion,
        branches: Mapping[Modality, Branch],
        prior: Sequence[float],
        *,
        auxiliary: bool = False,
        own_heads: bool = False,
        dropout: float = 0.0,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.fusion = fusion
        trained = {m: branch.encoder for m, branch in branches.items() if branch.encoder is not None}
        self.encoders = nn.ModuleDict({str(m): encoder for m, encoder in trained.items()})
        widths = {m: branch.width for m, branch in branches.items()}
        if fusion.consumes == "pixels":
            widths["image"] = _COLOURS
        self.missing = nn.ModuleDict(
            {
                m: MissingPicture() if fusion.reads(m) == "pixels" else MissingToken(widths[m], branches[m].parts)
                for m in fusion.modalities
            }
        )
        self.auxiliary = nn.ModuleDict(
            {m: nn.Linear(widths[m], len(prior)) for m in fusion.modalities if m not in fusion.classifiers()}
            if auxiliary
            else {}
        )
        self.own_heads = own_heads and len(fusion.modalities) > 1
        self.dropout = nn.Dropout(dropout)
        self.modality_dropout = modality_dropout
        self.register_buffer("prior", torch.tensor(list(prior), dtype=torch.float32).clamp(min=1e-6).log())

    def forward(self, batch: Batch) -> Output:
        """Run a batch; an encoder runs only if the batch holds its inputs rather than encodings."""
        present = {"text": batch.text_present, "image": batch.image_present}
        if self.training and self.modality_dropout:
            present = self._drop_modalities(present)
        encoded = {m: self._encode(m, getattr(batch, m)) for m in self.fusion.modalities}
        return self.fuse(encoded.get("text"), encoded.get("image"), present["text"], present["image"])

    def fuse(self, text: Encoded | None, image: Encoded | None, text_present: Tensor, image_present: Tensor) -> Output:
        """Return logits for encodings; this is what `head.onnx` holds."""
        given = {"text": text, "image": image}
        present = {"text": text_present, "image": image_present}
        ready: dict[str, Encoded] = {}
        for modality in self.fusion.modalities:
            encoded = given[modality]
            if encoded is None:
                raise ValueError(f"fusion {self.fusion.name} reads {modality}, and the batch holds none")
            filled: Encoded = self.missing[modality](encoded, present[modality])
            ready[modality] = replace(
                filled,
                pooled=self.dropout(filled.pooled),
                tokens=None if filled.tokens is None else self.dropout(filled.tokens),
            )
        logits = self.fusion(ready.get("text"), ready.get("image"))
        count = torch.stack([present[m] for m in self.fusion.modalities]).sum(0)  # (B,) modalities of each post
        logits = torch.where((count > 0).unsqueeze(-1), logits, self.prior)
        heads = [*self.fusion.classifiers().items(), *self.auxiliary.items()]
        alone = {str(m): head(ready[m].pooled) for m, head in heads}
        if self.own_heads:
            for modality in self.fusion.modalities:
                by_itself = (count == 1) & present[modality]  # (B,)
                logits = torch.where(by_itself.unsqueeze(-1), alone[modality], logits)
        return Output(logits, alone.get("text"), alone.get("image"))

    def _encode(self, modality: Modality, inputs: Inputs | None) -> Encoded | None:
        if not isinstance(inputs, tuple):
            return inputs
        if self.fusion.reads(modality) == "pixels":
            return encode_inputs(None, inputs, 1)
        encoder = cast(Encoder, self.encoders[modality])
        encoded = encode_inputs(encoder, inputs, len(encoder.inputs))
        return encoded if self.fusion.consumes == "tokens" else Encoded(encoded.pooled)

    def _drop_modalities(self, present: dict[str, Tensor]) -> dict[str, Tensor]:
        # Never drops both modalities of a post: nothing would be left to learn from.
        if len(self.fusion.modalities) < 2:
            return present
        draw = torch.rand_like(present["text"], dtype=torch.float32)
        rate = self.modality_dropout
        both = present["text"] & present["image"]
        return {
            "text": present["text"] & ~(both & (draw < rate)),
            "image": present["image"] & ~(both & (draw >= 1 - rate)),
        }


def _normalise(values: Tensor) -> Tensor:
    return F.layer_norm(values, values.shape[-1:])
