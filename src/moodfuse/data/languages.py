"""The language of a text, where it can be told: a thin room around py3langid (Lui & Baldwin, ACL 2012)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse import files
from moodfuse.config import Cleaning
from moodfuse.errors import MissingExtraError, OutputError

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
    """Return the model of 140 languages: from its copy, which is made once, as unpacking it takes half a second."""
    try:
        from py3langid import langid
    except ImportError as error:
        raise MissingExtraError(
            f"telling languages needs {error.name}, which is not installed; pip install --upgrade moodfuse brings it"
        ) from None
    packed = Path(langid.MODEL_DIR) / langid.MODEL_FILE
    state = packed.stat()
    copy = files.cache_folder() / "languages" / f"{metadata.version('py3langid')}-{state.st_size}-{state.st_mtime_ns}"
    with contextlib.suppress(OSError, ValueError, TypeError):  # none yet, a broken one, or one of another py3langid
        return _from_copy(copy)
    model = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    with contextlib.suppress(OutputError, AttributeError, TypeError):
        _copy(model, copy)
    return model


def _copy(model: Any, folder: Path) -> None:
    """Write the model's tables as arrays that can be mapped into memory, where all processes share them."""
    files.make_folder(folder.parent)
    ptc, pc, classes = model._full_model
    arrays = {
        "ptc": ptc,
        "pc": pc,
        "classes": np.array(classes),
        "nextmove": np.asarray(model.tk_nextmove),
        "row": np.asarray(model.tk_row),
        "output": np.array(model.tk_output, np.int32),
    }
    with files.replacing_folder(folder) as new:
        for name, array in arrays.items():
            np.save(new / f"{name}.npy", array, allow_pickle=False)


def _from_copy(folder: Path) -> Any:
    from py3langid.langid import LanguageIdentifier

    def mapped(name: str) -> Any:
        return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    return LanguageIdentifier(
        np.asarray(mapped("ptc")),
        np.asarray(mapped("pc")),
        mapped("classes").tolist(),
        memoryview(mapped("nextmove")),
        memoryview(mapped("output")),
        norm_probs=True,
        tk_row=memoryview(mapped("row")),
    )


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # A fork waits until the model is whole: of a thread that was unpacking, the child would keep the locks alone.
    os.register_at_fork(
        before=_unpacking.acquire, after_in_parent=_unpacking.release, after_in_child=_unpacking.release
    )
