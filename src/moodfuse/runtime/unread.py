"""How much of a text an encoder's tokenizer has no tokens for: the model reads nothing there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from tokenizers import Tokenizer

#: Share of a text's signs without a token from which on the text counts as not understood: the model then answers on
#: less than half of it. A word is many signs and an emoji is one, so an emoji behind a few words is far below.
NOT_UNDERSTOOD = 0.5

# A letter, or an emoji with all that belongs to it: the other half of a flag, a skin colour, what a joiner adds.
_SIGN = re.compile("[\U0001f1e6-\U0001f1ff]{2}|.(?:[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d.)*", re.DOTALL)
# Lines and blocks that boxes are drawn with, and characters of private use: what they mean stands in no corpus, even
# where a vocabulary happens to hold them.
_MEANINGLESS = re.compile("[\u2500-\u259f\ue000-\uf8ff\U000f0000-\U0010fffd]")
_IN_NO_VOCABULARY = "\U0010fffd"  # of private use, in the last plane


class UnreadSigns:
    """Tells how much of a text falls into the unknown token of a tokenizer, or is dropped by it.

    A tokenizer that spells what it does not know in bytes has no unknown token, and reads everything.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._unknown = _unknown_token(tokenizer)
        self._ends = tokenizer.num_special_tokens_to_add(False)

    def share(self, text: str, token_ids: Sequence[int]) -> float:
        """Return the unread share of a text's letters and symbols, 0 where it has none; `token_ids` are the text's.

        Blanks, punctuation and digits do not count. Of a text that was cut the part that was kept is looked at.
        """
        drawn = not text.isascii() and _MEANINGLESS.search(text)
        if self._unknown not in token_ids and len(token_ids) > self._ends and not drawn:
            return 0.0
        encoded = self._tokenizer.encode(text)  # again, and rarely: now it is asked where its tokens stand
        kept = max((end for _, end in encoded.offsets), default=0) if encoded.overflowing else len(text)
        read = bytearray(len(text))
        places = list(zip(encoded.ids, encoded.offsets, strict=True))
        for id, (start, end) in places:
            if id != self._unknown:
                read[start:end] = b"\1" * (end - start)
        for id, (start, end) in places:  # a mark of where a word begins stands in the place of its first sign
            if id == self._unknown:
                read[start:end] = bytes(end - start)
        for found in _MEANINGLESS.finditer(text) if drawn else ():
            read[found.start()] = 0
        signs = [found.start() for found in _SIGN.finditer(text, 0, kept) if _counts(found[0][0])]
        return sum(not read[place] for place in signs) / len(signs) if signs else 0.0


def _unknown_token(tokenizer: Tokenizer) -> int | None:
    """Return the id of the unknown token: the single one that stands for a character in no vocabulary."""
    try:
        found = tokenizer.model.tokenize(_IN_NO_VOCABULARY)
    except Exception:  # the binding raises bare Exception: it has no token for what it does not know
        return None
    return int(found[0].id) if len(found) == 1 else None


def _counts(character: str) -> bool:
    """Tell whether a character is a letter or a symbol; those younger than Python's tables are taken for one."""
    kind = unicodedata.category(character)
    return kind[0] not in "ZPNM" and kind not in ("Cc", "Cf", "Cs")
