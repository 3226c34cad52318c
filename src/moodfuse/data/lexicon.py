"""VADER's scores of a text: four numbers from a lexicon and rules, a small view beside a text encoder's vector."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from moodfuse.errors import MissingExtraError

#: What the four numbers are, in order: shares of the text in 0..1, then their balance in -1..1.
SCORES = ("negative", "neutral", "positive", "compound")

#: Characters and words of a text that are scored. VADER's time grows with the square of the words, and an emoji is as
#: many words as its description: without a limit one hostile post takes minutes.
MAX_CHARS = 500
MAX_WORDS = 256


def lexicon_scores(text: str) -> npt.NDArray[np.float32]:
    """Return `SCORES` of an English text, (4,) float32 (Hutto and Gilbert, 2014); all zero where it has no words.

    Capitals, exclamation marks, emoticons and emoji count, so the text must not be lower-cased before. Of a long
    text, the beginning counts. Raises `MissingExtraError` where vaderSentiment is not installed.
    """
    beginning = " ".join(text[:MAX_CHARS].split()[:MAX_WORDS])
    found = _analyzer().polarity_scores(beginning)
    return np.array([found["neg"], found["neu"], found["pos"], found["compound"]], np.float32)


@lru_cache(maxsize=1)
def _analyzer() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise MissingExtraError("vaderSentiment is not installed; pip install 'moodfuse[train]'") from None
    return SentimentIntensityAnalyzer()
