"""VADER's scores of a text: four numbers from a lexicon and rules, a small view beside a text encoder's vector."""

from __future__ import annotations

import hashlib
import importlib
import json
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
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

_PACKAGE = "vaderSentiment"
_LEXICA = ("vader_lexicon.txt", "emoji_utf8_lexicon.txt")


def lexicon_scores(text: str) -> npt.NDArray[np.float32]:
    """Return `SCORES` of an English text, (4,) float32 (Hutto and Gilbert, 2014); all zero where it has no words.

    Capitals, exclamation marks, emoticons and emoji count, so the text must not be lower-cased before. Of a long
    text, the beginning counts. Raises `MissingExtraError` where vaderSentiment is not installed.
    """
    found = _analyzer().polarity_scores(scored_part(text))
    return np.array([found["neg"], found["neu"], found["pos"], found["compound"]], np.float32)


def scored_part(text: str) -> str:
    """Return the beginning of a text that its scores come from, blanks collapsed."""
    return " ".join(text[:MAX_CHARS].split()[:MAX_WORDS])


def lexicon_package() -> str:
    """Return what scores here, as pip names it: vaderSentiment==VERSION.

    Raises `MissingExtraError` where it is not installed.
    """
    _module()
    return f"{_PACKAGE}=={metadata.version(_PACKAGE)}"


def lexicon_sha256() -> str:
    """Return a hash of all that the scores hang on: same hash, same scores of the same text.

    It is taken over vaderSentiment's version, its two lexicon files and the limits above. Raises `MissingExtraError`
    where vaderSentiment is not installed.
    """
    folder = Path(str(_module().__file__)).parent
    words = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _LEXICA]
    return hashlib.sha256(json.dumps([lexicon_package(), MAX_CHARS, MAX_WORDS, *words]).encode()).hexdigest()


@lru_cache(maxsize=1)
def _analyzer() -> Any:
    return _module().SentimentIntensityAnalyzer()


def _module() -> ModuleType:
    try:
        return importlib.import_module(f"{_PACKAGE}.{_PACKAGE}")
    except ModuleNotFoundError:
        raise MissingExtraError(f"{_PACKAGE} is not installed; pip install 'moodfuse[lexicon]'") from None
