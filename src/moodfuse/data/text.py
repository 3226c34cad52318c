"""From the bytes of a post's text to the characters that a tokeniser gets."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

from pydantic import Field

from moodfuse.config import Cleaning, Section
from moodfuse.data.posts import Status

#: Characters of a text that are looked at; what comes after them is cut off (`text_truncated`).
MAX_CHARS = 20_000

# Every pattern is linear on any input: its parts never overlap, and a run of signs starts one match only.
# Each begins with the character that starts it, which is found fast; what must not stand before that is asked then.
# (Possessive quantifiers would say so, but nested ones are broken in Python 3.11.)
# Lone surrogates (JSON can hold them) go too, because no tokeniser can encode them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# An address is ASCII and ends where Chinese text goes on without a blank; `…` is where Twitter cut it.
_URL = re.compile(r"[hH][tT][tT][pP][sS]?(?:://[!-~]*…?|:?/?…)|[wW](?<![A-Za-z0-9_][wW])[wW][wW]\.[!-~]+…?")
_RETWEET = re.compile(r"[rR](?<!\w[rR])[tT] ?(?:@\w+)+ ?:?")
# A run of @mentions and #hashtags. A sign inside a word (an email address, C#) starts none.
_TAGS = re.compile(r"[#@](?<![\w#@][#@])[#@]*\w+(?:[#@]+\w+)*")
_TAG = re.compile(r"([#@]+)(\w+)")
# Where a word begins inside a hashtag: #SoHappy, #IAmHappy, #Euro2016.
_INNER = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])")


# What HTML wrote another way; `&amp;` in front of it, also many times over, is that twice over.
_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7};|#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,30};)")
# Letters and digits in another dress: superscript and modifier letters, letterlike ones, circled, half-width and
# full-width ones, ligatures, forms of Arabic letters by place, mathematical and squared ones. No signs: a trade mark,
# a fraction or the punctuation of Chinese says what its NFKC form does not.
_LETTERS = (
    "\u1d2c-\u1d6a\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2131\u2133-\u2139\u24b6-\u24ea"
    "\ufb00-\ufb4f\ufb50-\ufdf1\ufe70-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f\uffa1-\uffdc"
    "\U0001d400-\U0001d7ff\U0001f110-\U0001f129\U0001f130-\U0001f149"
)
_DRESSED = re.compile(f"[{_LETTERS}]+")
# Characters that show nothing and stand for nothing: hyphenation, direction, width. Those that look like a blank are.
_NOTHING = "\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufff9-\ufffb"
_UNSEEN = re.compile(f"[{_NOTHING}]|(\U0001f3f4[\U000e0020-\U000e007f]+)|[\U000e0000-\U000e0fff]")
_BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")
# Joiners and variation selectors: they make one of two emojis, and shape letters of Arabic and of Indian scripts.
_JOINED = re.compile("[\u200c\u200d\ufe00-\ufe0f]+")
#: Any of those: most texts have none.
_HIDDEN = re.compile(
    f"[{_LETTERS}{_NOTHING}\U000e0000-\U000e0fff\u115f\u1160\u2800\u3164\uffa0\u200c\u200d\ufe00-\ufe0f]"
)
_SHAPED = re.compile("[\u0600-\u0fff]")


@dataclass(slots=True)
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


def clean(text: str, cleaning: Cleaning) -> str:
    """Undo what hides letters, take out what `cleaning` says; blanks collapse to one. Time is linear.

    HTML entities become characters, letters in another dress (full width, mathematical) plain ones; characters that
    nobody sees go, but for those that make an emoji. Only the first `MAX_CHARS` characters count. Cleaning a clean
    text changes nothing, unless what stood beside something taken out has come to look like it.
    """
    text = text[:MAX_CHARS]
    if "&" in text or not text.isascii():
        text = _plain(text)
    if cleaning.lower:
        text = _lower(text)
    text = _taken_out(_on_a_line(text), cleaning)
    return _lower(text) if cleaning.capitals and _shouts(text) else text


def _taken_out(text: str, cleaning: Cleaning) -> str:
    """Take addresses, marks of retweets, mentions and hashtags out of a text, as `cleaning` says."""
    if cleaning.urls and ("/" in text or "…" in text or ("." in text and "www." in text.lower())):
        text = _collapse(_URL.sub(" ", text))
    if "@" not in text and "#" not in text:
        return text
    if cleaning.retweets:
        text = _RETWEET.sub(" ", text)
    if cleaning.mentions or cleaning.hashtags != "keep":
        text = _TAGS.sub(lambda run: _TAG.sub(lambda tag: _clean_tag(tag, cleaning), run[0]), text)
    return _collapse(text)


def prepare_text(
    text: str | None, cleaning: Cleaning, *, lossy: bool = False, guessed: bool = False
) -> tuple[str | None, list[Status]]:
    """Return the cleaned text and what is to be said of it (an empty list where all is well).

    The text is `None` where there is none, or none is left: the model then uses its learned missing-text token.
    """
    if text is None:
        return None, [Status.TEXT_MISSING]
    cleaned = clean(text, cleaning)
    statuses = [] if cleaned else [Status.TEXT_EMPTY]
    if len(text) > MAX_CHARS:
        statuses.append(Status.TEXT_TRUNCATED)
    if guessed:
        statuses.append(Status.TEXT_DECODED_GUESS)
    if lossy:
        statuses.append(Status.TEXT_DECODED_LOSSY)
    return cleaned or None, statuses


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else _composed(text.lower())


def _shouts(text: str) -> bool:
    """Tell whether most of a text's letters that could be small are capitals."""
    if text.islower():
        return False
    return sum(map(str.isupper, text)) > sum(map(str.islower, text))


def _plain(text: str) -> str:
    """Undo entities, other dresses of letters, and what shows nothing, be it written as an entity or in one."""
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(f"&{found[1]}"), _bare(text))
    return _bare(text)


def _bare(text: str) -> str:
    """Undo other dresses of letters, and what shows nothing."""
    if text.isascii():
        return text
    if not _HIDDEN.search(text):
        return _composed(text)
    text = _DRESSED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = _UNSEEN.sub(lambda found: found[1] or "", _BLANK.sub(" ", text))
    return _composed(_JOINED.sub(_join, text))


def _composed(text: str) -> str:
    """Return a letter and the accent behind it as one character, where there is such a one."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def _join(found: re.Match[str]) -> str:
    """Keep of joiners and selectors what they do behind an emoji or a letter that they shape."""
    run, text, end = found[0], found.string, found.end()
    before = text[found.start() - 1 : found.start()]
    if not before or before.isspace():
        return ""
    if _SHAPED.match(before):
        return next((sign for sign in reversed(run) if sign in "\u200c\u200d"), "")
    if before.isalnum() or before == "_" or unicodedata.combining(before):  # an accent: it may become part of a letter
        return "\ufe0f" if "\ufe0f" in run and text[end : end + 1] == "\u20e3" else ""
    return "".join(sign for sign in "\ufe0e\ufe0f\u200d" if sign in run)


def _clean_tag(tag: re.Match[str], cleaning: Cleaning) -> str:
    signs, word = tag.groups()
    if signs[-1] == "@":
        return " " if cleaning.mentions else tag[0]
    if cleaning.hashtags == "split":
        return signs + _INNER.sub(" ", word)
    return {"keep": tag[0], "strip": f" {word}", "drop": " "}[cleaning.hashtags]


def _on_a_line(text: str) -> str:
    """Return a text without control characters and with one blank between words; most are so already."""
    if text.isprintable():  # of all blanks only the usual one is
        return _collapse(text) if "  " in text or text[:1] == " " or text[-1:] == " " else text
    text = _collapse(text)
    return text if text.isprintable() else _collapse(_CONTROL.sub(" ", text))


def _collapse(text: str) -> str:
    return " ".join(text.split())
