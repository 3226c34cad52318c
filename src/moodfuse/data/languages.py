"""A rough guess at a text's language, from its script and its stop-words: enough to see a mix, no more.

Not a language identifier: short posts often hold no stop-word, and then only their script is told.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

#: What the guess rests on, as the audit names it.
METHOD = "script and stop-words"
NO_LETTERS = "no letters"
LATIN = "latin script, undecided"
_FEWEST_HITS = 2  # stop-words: a single one is often a name, or a word of another language

# The most frequent words that few of the other languages here share.
_STOP_WORDS = {
    "english": "the and of is you that it for this with are be have not my your was what they we will from at just "
    "i'm it's he she his her who how when our so all can get",
    "spanish": "el los las que una por con para del como más pero sus está muy todo esta hay soy eres nos ya yo",
    "portuguese": "que não uma com os do da em para mais você meu minha isso são muito tem foi ele pra dos das",
    "french": "le les des est et une pour pas dans qui sur vous avec ce je nous au du plus mais c'est j'ai mon",
    "german": "der die das und ist nicht ich zu den mit ein eine auf für sich auch wir wie im dem von sie bin",
    "italian": "il di che è non per una sono con ma ho lo mi più della si questo anche gli alla del nel",
    "dutch": "de het een van ik niet dat op zijn te voor met je maar er aan ook als deze wij naar",
    "indonesian": "yang dan di ini itu dengan untuk tidak dari ke aku kamu saya akan ada sudah bisa juga kita",
    "turkish": "ve bir bu da ne için çok ama ben sen gibi değil mi daha var yok olan kadar",
}
_LANGUAGES = {name: frozenset(words.split()) for name, words in _STOP_WORDS.items()}
_SCRIPTS = {"cjk": "chinese", "hiragana": "japanese", "katakana": "japanese", "hangul": "korean"}
_OTHERS = {"cyrillic", "arabic", "greek", "hebrew", "thai", "devanagari", "bengali", "tamil", "georgian", "armenian"}


def guess_language(text: str) -> str:
    """Return a language (for Latin script), a script, `LATIN` where no stop-word tells, or `NO_LETTERS`."""
    scripts = Counter(script for script in map(_script, text) if script)
    if not scripts:
        return NO_LETTERS
    if scripts["japanese"] and scripts["japanese"] + scripts["chinese"] > scripts["latin"]:
        return "japanese"  # written with Chinese characters too
    script = scripts.most_common(1)[0][0]
    if script != "latin":
        return script if script in _SCRIPTS.values() else f"{script} script"
    words = [word.strip('.,;:!?"“”()[]…*') for word in text.lower().replace("’", "'").split()]
    hits = {name: sum(word in stop for word in words) for name, stop in _LANGUAGES.items()}
    best = max(hits.values())
    winners = [name for name, count in hits.items() if count == best]
    return winners[0] if best >= _FEWEST_HITS and len(winners) == 1 else LATIN


@lru_cache(maxsize=8192)
def _script(character: str) -> str:
    """Return the script of a letter, an empty string for what is no letter."""
    if not character.isalpha():
        return ""
    if character.isascii():
        return "latin"
    first = unicodedata.name(character, "").split(" ")[0].lower()
    if first in _SCRIPTS:
        return _SCRIPTS[first]
    return first if first in _OTHERS or first == "latin" else "other"
