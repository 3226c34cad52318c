"""The VADER lexicon as a text encoder: four scores, computed without a graph and never trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from moodfuse.config import Augmentation, DataConfig
from moodfuse.data.lexicon import MAX_WORDS, SCORES, lexicon_package, lexicon_scores, lexicon_sha256
from moodfuse.data.posts import Posts
from moodfuse.data.text import TextSpec
from moodfuse.errors import ConfigError
from moodfuse.learn.augmentation import Draw
from moodfuse.learn.encoders.base import Encoded, Encoder
from moodfuse.learn.encoders.registry import encoder
from moodfuse.learn.encoders.source import LiveInputs
from moodfuse.learn.encoders.text import TextSource
from moodfuse.runtime.bundle import ViewSpec
from moodfuse.runtime.lexicon import LexiconReader


class LexiconScores(Encoder):
    """Returns its input, scores (B, 4): `moodfuse.data.lexicon` has already computed them from the text."""

    inputs = (("scores", ("batch",)),)
    example = (torch.zeros(3, len(SCORES)),)
    dim = len(SCORES)

    def forward(self, scores: Tensor) -> Encoded:
        """Return scores (B, 4) as the texts' vectors."""
        return Encoded(scores)


@encoder
class LexiconSource(TextSource):
    """VADER (Hutto and Gilbert, 2014). Its four scores lie in [-1, 1] and are joined without normalisation.

    Raises `ConfigError` if the cleaning lower-cases texts, since capitals count, and `MissingExtraError` if
    vaderSentiment is not installed.
    """

    name = "vader"
    summary = "VADER: 4 scores from a lexicon of English; a view beside another encoder, or alone"
    dim = len(SCORES)
    has_tokens = False
    trainable = False
    normalise = False

    def __init__(self, data: DataConfig) -> None:
        if data.cleaning.lower:
            raise ConfigError(
                f"{self.name}: reads capitals, which data.cleaning.lower=true takes away; leave it false "
                "(an uncased tokeniser lowers texts by itself)"
            )
        self._package = lexicon_package()
        self._digest = lexicon_sha256()
        self._spec = TextSpec(cleaning=data.cleaning, max_tokens=MAX_WORDS, pad_id=0)

    @property
    def spec(self) -> TextSpec:
        return self._spec

    def load(self) -> LexiconScores:
        return LexiconScores().eval()

    def reader(self) -> LexiconReader:
        [view] = self.views()
        return LexiconReader(view, self.spec)

    def live(self, posts: Posts, augmentation: Sequence[Augmentation] = ()) -> LiveInputs:
        return ScoreInputs(self.texts(posts))

    def graphs(self, trained: Encoder | None = None, *, place: int = 0) -> dict[str, bytes | Path]:
        return {}

    def views(self) -> tuple[ViewSpec, ...]:
        return (
            ViewSpec(encoder=self.name, kind="lexicon", text=self.spec, package=self._package, sha256=self._digest),
        )

    def identity(self) -> tuple[str | int | None, ...]:
        return (*super().identity(), self._digest)


class ScoreInputs:
    """Lexicon scores of texts."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        self._scores = torch.from_numpy(np.stack([lexicon_scores(text or "") for text in texts]))  # (N, 4)
        self.present = np.array([text is not None for text in texts], dtype=bool)
        self.lengths: Sequence[int] | None = None

    def batch(self, indices: Sequence[int], random: Draw | None = None) -> tuple[torch.Tensor, ...]:
        """Return scores (B, 4)."""
        return (self._scores[list(indices)],)
