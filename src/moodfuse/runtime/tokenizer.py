"""A bundle's tokenizer, and what it may cost: looked at before it is built, and before it is given a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tokenizers import Tokenizer

from moodfuse.errors import BundleError, in_a_line

#: Objects in a tokenizer's JSON: each token that was added is one, and building takes the square of their number.
_MOST_OBJECTS = 10_000
#: How many times its length a text may grow by what its normalizer puts in the place of something else.
_MOST_GROWTH = 256


def load_tokenizer(text: str, *, max_tokens: int) -> Tokenizer:
    """Build a tokenizer from a `tokenizer.json`, set to cut at `max_tokens` and never to pad.

    Raises `BundleError` for what is none, or would take much time.
    """
    _check_json(text)
    with panics_told():
        tokenizer = Tokenizer.from_str(text)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=max_tokens)
    _check_normalizer(tokenizer)
    return tokenizer


@contextmanager
def panics_told() -> Iterator[None]:
    """Turn what `tokenizers` raises into a `BundleError`: bare exceptions, and panics, which are no `Exception`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise BundleError(f"tokenizer.json cannot be read or used ({in_a_line(error)})") from None


def _check_json(text: str) -> None:
    """Raise `BundleError` for a `tokenizer.json` that would take long to build."""
    if (found := text.count("{")) > _MOST_OBJECTS:
        raise BundleError(f"tokenizer.json holds {found:,} objects (added tokens); {_MOST_OBJECTS:,} are the most")


def _check_normalizer(tokenizer: Tokenizer) -> None:
    """Raise `BundleError` for a tokenizer whose replacements would make a text many times as long."""
    if tokenizer.normalizer is None:
        return
    growth = _growth(json.loads(tokenizer.normalizer.__getstate__()))
    if growth > _MOST_GROWTH:
        raise BundleError(f"tokenizer.json makes a text up to {growth:,} times as long; {_MOST_GROWTH} is the most")


def _growth(normalizer: dict[str, Any]) -> int:
    growth = 1
    for one in normalizer.get("normalizers", ()):
        growth *= _growth(one)
    if normalizer.get("type") == "Replace":
        content = len(normalizer.get("content", ""))
        pattern = normalizer.get("pattern", {}).get("String", "")  # an expression may match nothing, between any two
        growth *= max(1, -(-content // len(pattern))) if pattern else 1 + content
    return growth
