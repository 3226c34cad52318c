"""The language of a text, where it can be told: a thin room around py3langid (Lui & Baldwin, ACL 2012)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection
from functools import cache
from typing import Any

from moodfuse.config import Cleaning
from moodfuse.errors import MissingExtraError

#: What tells the languages, as the audit names it.
METHOD = "py3langid"
#: Least probability of a language for it to be told: it is likelier than all others together. Of 4,000 real posts three
#: quarters have one; those that have none are a few words, names and tags alone, or no words at all.
THRESHOLD = 0.5
#: Takes off what is in no language.
BARE = Cleaning(retweets=True, mentions=True, urls=True, hashtags="drop")
#: Characters of a text that are looked at; more tell no more, and cost time.
LONGEST = 2_000
_NO_LANGUAGE = "zxx"  # what ISO 639 calls a content that is in none

#: Held while the model is unpacked, so that of many threads one does it.
_unpacking = threading.Lock()


def identify_language(text: str) -> str | None:
    """Return the ISO 639 code of a text's language (en, zh ...), `None` where it is in doubt.

    Take off what is in no language first: URLs, mentions, tags. Raises `MissingExtraError` without py3langid.
    """
    text = text[:LONGEST]
    if not any(map(str.isalpha, text)):
        return None
    language, probability = _model().classify(text)
    return language if probability > THRESHOLD and language != _NO_LANGUAGE else None


def rank_languages(text: str, among: Collection[str]) -> dict[str, float]:
    """Return how probable each language is, given that a text is in one of `among`; those unknown here are left out.

    Take off what is in no language first. Raises `MissingExtraError` without py3langid, and `OSError` where its model
    cannot be unpacked: there is no room for a temporary file of 70 MB.
    """
    found = {language: share for language, share in _model().rank(text[:LONGEST]) if language in among}
    total = sum(found.values())
    return {language: share / total for language, share in found.items()} if total else {}


def unpack_ahead() -> None:
    """Begin to unpack the model in a thread of its own: that takes half a second, most of it beside other threads."""
    threading.Thread(target=_unpack, name="moodfuse-languages", daemon=True).start()


def _unpack() -> None:
    with contextlib.suppress(MissingExtraError, OSError):  # whoever asks for a language is told
        _model()


def _model() -> Any:
    with _unpacking:
        return _identifier()


@cache
def _identifier() -> Any:
    """Return the model of 140 languages. It is unpacked once, which takes half a second or more."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError(
            f"telling languages needs {error.name}, which is not installed; pip install --upgrade moodfuse brings it"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # A fork waits until the model is whole: of a thread that was unpacking, the child would keep the locks alone.
    os.register_at_fork(
        before=_unpacking.acquire, after_in_parent=_unpacking.release, after_in_child=_unpacking.release
    )
