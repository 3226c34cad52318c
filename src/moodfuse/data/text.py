"""From the bytes of a post's text to the characters that a tokeniser gets."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from pydantic import Field

from moodfuse.config import Cleaning, Section
from moodfuse.data.posts import Status

#: Characters of a text that are looked at; what comes after them is cut off (`text_truncated`).
MAX_CHARS = 20_000

_BOMS = (  # UTF-32 before UTF-16: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Every pattern is linear on any input: its parts never overlap, and a run of signs starts one match only.
# (Possessive quantifiers would say so, but nested ones are broken in Python 3.11.)
# Lone surrogates (JSON can hold them) go too, because no tokeniser can encode them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# An address is ASCII and ends where Chinese text goes on without a blank; `…` is where Twitter cut it.
_URL = re.compile(r"https?://[!-~]*…?|https?:?/?…|(?<![a-z0-9_])www\.[!-~]+…?", re.IGNORECASE)
_RETWEET = re.compile(r"\bRT ?(?:@\w+)+ ?:?", re.IGNORECASE)
# A run of @mentions and #hashtags. A sign inside a word (an email address, C#) starts none.
_TAGS = re.compile(r"(?<![\w#@])(?:[#@]+\w+)+")
_TAG = re.compile(r"([#@]+)(\w+)")
# Where a word begins inside a hashtag: #SoHappy, #Euro2016.
_INNER = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the encoding that its bytes were in, whether characters had to be replaced, and whether it is a guess."""

    text: str
    encoding: str
    lossy: bool = False
    guessed: bool = False


class TextSpec(Section):
    """What a text encoder needs done to a text. Kept in a bundle's manifest."""

    cleaning: Cleaning = Field(description="what is taken out before tokenising")
    max_tokens: int = Field(ge=1, description="tokens of a text that the encoder reads, specials included")
    pad_id: int = Field(ge=0, description="token id that fills a batch up; the attention mask hides it")


def decode(data: bytes) -> Decoded:
    """Decode bytes by the first that fits: byte order mark, UTF-8, GB18030, Windows-1252. Never raises.

    GB18030 goes before Windows-1252 because nearly every GB18030 text is valid Windows-1252 too. Only the
    last, and a text that breaks the encoding of its own mark, replace characters (`lossy`).
    """
    marked = [(data[len(mark) :], name) for mark, name in _BOMS if data.startswith(mark)]
    for body, name in [*marked, (data, "utf-8"), (data, "gb18030")]:
        if marked and body is data:
            break
        try:
            text = body.decode(name)
        except UnicodeDecodeError:
            continue
        return Decoded(text, "ascii" if body is data and text.isascii() else name)
    body, name = marked[-1] if marked else (data, "windows-1252")
    text = body.decode(name, errors="replace")
    return Decoded(text, name, lossy=marked != [] or "\ufffd" in text)


def clean(text: str, cleaning: Cleaning) -> str:
    """Take out what `cleaning` says, and control characters; blanks collapse to one. Time is linear.

    Only the first `MAX_CHARS` characters count. Cleaning a clean text changes nothing,
    unless what was inside a hashtag has come to look like an address or a retweet.
    """
    text = text[:MAX_CHARS]
    if cleaning.lower:
        text = text.lower()
    text = _collapse(_CONTROL.sub(" ", text))
    if cleaning.urls:
        text = _collapse(_URL.sub(" ", text))
    if cleaning.retweets:
        text = _RETWEET.sub(" ", text)
    if cleaning.mentions or cleaning.hashtags != "keep":
        text = _TAGS.sub(lambda run: _TAG.sub(lambda tag: _clean_tag(tag, cleaning), run[0]), text)
    return _collapse(text)


def prepare_text(text: str | None, cleaning: Cleaning, *, lossy: bool = False) -> tuple[str | None, list[Status]]:
    """Return the cleaned text and what is to be said of it (an empty list where all is well).

    The text is `None` where there is none, or none is left: the model then uses its learned missing-text token.
    """
    if text is None:
        return None, [Status.TEXT_MISSING]
    cleaned = clean(text, cleaning)
    statuses = [] if cleaned else [Status.TEXT_EMPTY]
    if len(text) > MAX_CHARS:
        statuses.append(Status.TEXT_TRUNCATED)
    if lossy:
        statuses.append(Status.TEXT_DECODED_LOSSY)
    return cleaned or None, statuses


def _clean_tag(tag: re.Match[str], cleaning: Cleaning) -> str:
    signs, word = tag.groups()
    if signs[-1] == "@":
        return " " if cleaning.mentions else tag[0]
    if cleaning.hashtags == "split":
        return signs + _INNER.sub(" ", word)
    return {"keep": tag[0], "strip": f" {word}", "drop": " "}[cleaning.hashtags]


def _collapse(text: str) -> str:
    return " ".join(text.split())
