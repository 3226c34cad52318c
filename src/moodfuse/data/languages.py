"""The language of a text, where it can be told: a thin room around py3langid (Lui & Baldwin, ACL 2012)."""

from __future__ import annotations

from functools import cache
from typing import Any

from moodfuse.errors import MissingExtraError

#: What tells the languages, as the audit names it.
METHOD = "py3langid"
#: Least probability of a language for it to be told: it is likelier than all others together. Of 4,000 real posts three
#: quarters have one; those that have none are a few words, names and tags alone, or no words at all.
THRESHOLD = 0.5
_LONGEST = 2_000  # characters; more of a text tell no more, and cost time
_NO_LANGUAGE = "zxx"  # what ISO 639 calls a content that is in none


def identify_language(text: str) -> str | None:
    """Return the ISO 639 code of a text's language (en, zh ...), `None` where it is in doubt.

    Take off what is in no language first: URLs, mentions, tags. Raises `MissingExtraError` without py3langid.
    """
    text = text[:_LONGEST]
    if not any(map(str.isalpha, text)):
        return None
    language, probability = _identifier().classify(text)
    return language if probability > THRESHOLD and language != _NO_LANGUAGE else None


@cache
def _identifier() -> Any:
    """Return the model of 140 languages. It is unpacked once, which takes half a second or more."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError(
            f"telling languages needs {error.name}, which is not installed; pip install 'moodfuse[eval]'"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
