"""Texts in no language, and the forms that a text may come in: emoji, letters in another dress, what nobody sees."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

_LATIN = ("en", "fr", "de", "it", "pt", "es")

#: By kind and label. Those of the first kind stand in the Emoji Sentiment Ranking of 2015; no newer one does.
EMOJI_ALONE = {
    "emoji alone": {
        "positive": ["😄", "😁😁", "💕", "👏👏👏", "🙌", "😘", "🌹", "😻", "☺️", "💖💖", "😄🎶👏", "🏆"],
        "negative": ["😠", "😞😞", "😢", "😒", "😩😩😩", "😤", "😖", "😣", "😰", "😿", "😠😤😡", "😞💔"],
    },
    "newer emoji alone": {
        "positive": ["🥰", "🤩🤩", "🥳", "🤗🥰", "🫶", "🥳🥳🥳"],
        "negative": ["🤬", "🤢🤢", "🤮🤢", "🤬🤬🤬", "🤦‍♀️🤬", "🤮🤮"],
    },
    "neutral emoji alone": {"neutral": ["📎", "📐", "🗄️", "🚏", "🧾", "📦"]},
}
EMOJI_BESIDE = (
    ("😍", "positive"),
    ("😠", "negative"),
    ("🥰🥰", "positive"),
    ("😢", "negative"),
    ("👏👏", "positive"),
    ("🤬", "negative"),
    ("💖", "positive"),
    ("😩😩", "negative"),
)
#: Scripts that few tokenisers know, symbols, keys hit at random, signs without a meaning, and what shows nothing.
UNREADABLE = (
    "ᎣᏏᏲ ᏙᎯᏧ ᎠᏴ ᏣᎳᎩ",
    "𒀭𒂗𒆤 𒈗𒆳𒆳𒊏",
    "𓀀𓁐𓂀 𓃭𓆣𓇋𓏏",
    "ᚠᚢᚦᚨᚱᚲ ᚷᚹᚺᚾ",
    "ᓄᓇᕗᑦ ᐃᓄᒃᑎᑐᑦ",
    "𐌰𐍄𐍄𐌰 𐌿𐌽𐍃𐌰𐍂",
    "ߒߞߏ ߞߊ߲߫ ߘߐ߫",
    "ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ",
    "⵰ⴰⵎⴰⵣⵉⵖ ⵜⴰⵎⴰⵣⵉⵖⵜ",
    "ꦧꦱꦗꦮ ꦲꦏ꧀ꦱꦫ",
    "▓▒░▞▚▟▙ ░▒▓",
    "⟟⌇⏃⍀ ⎍⏁⟒ ⌰⍜",
    "⠓⠑⠇⠇⠕ ⠺⠕⠗⠇⠙",
    "∰∯∮ ⨌⨍⨎ ⊎⊍",
    "╬╫╪ ┼┿╂ ╳╲╱",
    "qzxvkjw pfmtqg xxzlbnd",
    "asdkjfh qpwoeiru zmxncbv",
    "xkcdvbnm wqrtzpl hgfdsjk",
    "������ ����",
    "\ue000\ue001\ue002 \ue0f3\ue0f4",
    "\U0003fff0\U0003fff1 \U0002fe10",
    "\u200b\u200b\u200b",
    "\u2060\u00ad\u200e",
    "\u3164\u3164",
    "\u2800\u2800\u2800",
    "\ufe0f\u200d\ufe0f",
    "\U000e0068\U000e0069",
    " \t\n ",
)


def full_width(text: str) -> str:
    """Return a text in full-width letters, signs and blanks."""
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text).replace(" ", "\u3000")


def mathematical(text: str) -> str:
    """Return a text in bold mathematical letters, as people write on platforms that have no bold."""
    return "".join(
        chr(ord(sign) + (0x1D5EE - 97 if sign.islower() else 0x1D5D4 - 65))
        if sign.isascii() and sign.isalpha()
        else sign
        for sign in text
    )


def invisible(text: str) -> str:
    """Return a text with a character that shows nothing after every second letter of a word."""
    signs = iter("\u200b\u00ad\u2060" * len(text))
    return re.sub(r"([^\W_]{2})(?=[^\W_])", lambda pair: pair[1] + next(signs), text)


def hashtag(text: str) -> str:
    """Return a text as one hashtag, its words in capitals at their beginning."""
    words = re.findall(r"\w+", text.replace("'", ""))
    return "#" + "".join(word[0].upper() + word[1:] for word in words)


def entities(text: str, *, twice: bool) -> str:
    """Return a text as HTML writes it, or as HTML that was written as HTML once more."""
    written = html.escape(text).replace("é", "&eacute;")
    return html.escape(written) if twice else written


def accents_apart(text: str) -> str:
    """Return a text whose letters and accents are characters of their own."""
    return unicodedata.normalize("NFD", text)


#: By kind: what makes the form of a text, and for which languages.
FORMS: dict[str, tuple[Callable[[str], str], tuple[str, ...]]] = {
    "full width": (full_width, ("en",)),
    "mathematical letters": (mathematical, ("en",)),
    "capitals": (str.upper, _LATIN),
    "hashtags": (hashtag, ("en",)),
    "invisible characters": (invisible, ("en", "de", "fr", "zh")),
    "accents apart": (accents_apart, _LATIN),
}
