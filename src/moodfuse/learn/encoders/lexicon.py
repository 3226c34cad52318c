"""The VADER lexicon as a text encoder: four scores, computed without a graph and never trained."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from moodfuse.config import Cleaning, Modality
from moodfuse.data.lexicon import MAX_WORDS, SCORES, lexicon_package, lexicon_sha256
from moodfuse.data.text import TextSpec
from moodfuse.errors import ConfigError
from moodfuse.learn.encoders.base import Encoded, Encoder, EncoderSource


class LexiconScores(Encoder):
    """Hands scores (B, 4) on: what there is to compute, `moodfuse.data.lexicon` has computed from the text."""

    inputs = (("scores", ("batch",)),)
    example = (torch.zeros(3, len(SCORES)),)
    dim = len(SCORES)

    def forward(self, scores: Tensor) -> Encoded:
        """Return scores (B, 4) as the texts' vectors."""
        return Encoded(scores)


class LexiconSource(EncoderSource):
    """VADER (Hutto and Gilbert, 2014). Its scores lie in [-1, 1] and are four: they are joined as they are.

    Raises `ConfigError` where the cleaning lowers texts, since capitals count, and `MissingExtraError` where
    vaderSentiment is not installed.
    """

    modality: Modality = "text"
    normalise = False
    summary = "VADER: 4 scores from a lexicon of English; a view beside another encoder, or alone"

    def __init__(self, name: str, *, cleaning: Cleaning) -> None:
        if cleaning.lower:
            raise ConfigError(
                f"{name}: reads capitals, which data.cleaning.lower=true takes away; leave it false "
                "(an uncased tokeniser lowers texts by itself)"
            )
        self.name = name
        self.package = lexicon_package()
        self.digest = lexicon_sha256()
        self._spec = TextSpec(cleaning=cleaning, max_tokens=MAX_WORDS, pad_id=0)

    @property
    def spec(self) -> TextSpec:
        return self._spec

    @property
    def weights(self) -> tuple[Path, ...]:
        return ()

    def load(self) -> LexiconScores:
        return LexiconScores()

    def fingerprint(self) -> str:
        # Cleaning is left out, as of every text encoder: features are kept by the text as cleaned.
        return hashlib.sha256(json.dumps(["lexicon", self.digest]).encode()).hexdigest()[:32]
