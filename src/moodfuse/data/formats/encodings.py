"""Which encoding the bytes of a text or of a whole file are in: one decision for all of them."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from moodfuse.data.text import Decoded

#: Bytes of lines with other than ASCII characters that a decision rests on.
SAMPLE_BYTES = 65_536

_MARKS = (  # UTF-32 before UTF-16: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HAN = "\u3400-\u9fff\uf900-\ufaff\ue000-\uf8ff"  # GB18030 maps what no character has to the private ones
_FOREIGN = re.compile("[^\0-\x7f]")
_HANS = re.compile(f"[{_HAN}]")
_LONE_HAN = re.compile(f"(?<=[A-Za-z])[{_HAN}](?=[A-Za-z])")
_HAN_BESIDE = re.compile(f"(?<=[A-Za-z])[{_HAN}](?![A-Za-z{_HAN}])|(?<![A-Za-z{_HAN}])[{_HAN}](?=[A-Za-z])")
#: What stands within words of Latin letters: such a letter, or what joins two words (a dash, a bullet, an apostrophe).
_WITHIN_WORDS = re.compile("(?<=[a-z])[^\0-\x7f](?=[a-z])")
_USUAL = re.compile("[\u00df-\u00f6\u00f8-\u017f\u2018\u2019\u2010-\u2014\u2022\u2026\u00ad\u00a0]")
_ENOUGH = 8  # foreign characters; fewer tell no encoding from another
#: What a text in an encoding must be made of for the guess to count: what share of its foreign characters, of how many
#: at least. Fewer do for kana, whose bytes stand for rare characters in the other encodings of two bytes.
_SCRIPTS = {
    "cp932": (re.compile("[\u3041-\u30fe]"), 0.2, _ENOUGH // 2),
    "cp949": (re.compile("[\uac00-\ud7a3]"), 0.7, _ENOUGH),
    "big5": (_HANS, 0.6, _ENOUGH),
    "cp1251": (re.compile("[\u0410-\u044f\u0401\u0451](?=[^A-Za-z])"), 0.8, _ENOUGH),
    "cp1253": (re.compile("[\u0386-\u03ce](?=[^A-Za-z])"), 0.8, _ENOUGH),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding by name, whether it is a guess, whether bytes may have to be replaced, the length of its mark."""

    name: str
    guessed: bool = False
    broken: bool = False
    mark: int = 0

    @property
    def wide(self) -> bool:
        """Whether a line end is more than a byte."""
        return self.name.startswith(("utf-16", "utf-32"))

    def decoded(self, text: str) -> Decoded:
        """Say of a text that was decoded with it how it was: the rule for a whole file as for a line of it."""
        if text.isascii() and not self.wide:
            return Decoded(text, "ascii")
        return Decoded(text, self.name, self.broken and "\ufffd" in text, self.guessed)


def decode(data: bytes) -> Decoded:
    """Decode the bytes of a text that has nothing to do with others. Never raises.

    The order is: byte order mark, UTF-16 by its zeros, UTF-8, GB18030 where that is plausible, another encoding that
    is likely, Windows-1252. What does not fit is replaced (`lossy`); what is neither marked nor UTF-8 nor surely
    GB18030 is `guessed`.
    """
    found = data_encoding(data)
    decoded = found.decoded(data[found.mark :].decode(found.name, "replace"))
    if found.mark:
        decoded.encoding = found.name  # the mark is not ASCII
    return decoded


def data_encoding(data: bytes) -> Encoding:
    """Return the encoding of whole data."""
    if marked := marked_encoding(data):
        return replace(marked, broken=not fits(data[marked.mark :], marked.name))
    return Encoding("utf-8") if fits(data, "utf-8") else judge(data)


def marked_encoding(head: bytes) -> Encoding | None:
    """Return the encoding that a byte order mark names, or the zeros of UTF-16 without one."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, broken=True, mark=len(mark))
    return _unmarked_wide(head)


def judge(sample: bytes) -> Encoding:
    """Return the encoding of bytes that are not all UTF-8, from lines that hold more than ASCII."""
    if _nearly_utf_8(sample):
        return Encoding("utf-8", broken=True)
    gb = _text(sample, "gb18030")
    if gb is not None and (odd := _odd_hans(gb)) * 5 <= len(_FOREIGN.findall(gb)) - odd:
        hans = len(_HANS.findall(gb))
        other = _sure_of(sample) if hans >= _ENOUGH // 2 else None
        # Without Han characters it is punctuation that no other encoding has there; of a few, none can be sure.
        sure = other == "gb18030" if hans else True
        return Encoding(other or "gb18030", guessed=not sure or odd > 0, broken=True)
    other = _sure_of(sample)
    return Encoding(_western(sample) if other in (None, "gb18030") else other, guessed=True, broken=True)


def _western(sample: bytes) -> str:
    """Return Windows-1252 or, where it puts signs and capitals into words, which of two others does not.

    Those are cp1250 (the ą, ł and ż of Polish) and Mac Roman (every letter with an accent, and the apostrophe).
    """
    names = ("windows-1252", "cp1250", "mac-roman")
    odd = {name: _odd_within_words(sample.decode(name, "replace")) for name in names}
    best = min(names, key=lambda name: odd[name])
    return best if odd["windows-1252"] > 0.2 > 4 * odd[best] else "windows-1252"


def _odd_within_words(text: str) -> float:
    """Return the share of what no word has among the foreign characters within words."""
    found: list[str] = _WITHIN_WORDS.findall(text)
    return sum(_USUAL.fullmatch(one) is None or one.isupper() for one in found) / max(1, len(found))


def _unmarked_wide(head: bytes) -> Encoding | None:
    """Tell UTF-16 by the zeros of its ASCII characters, which no other text has."""
    part = head[:1024]
    if len(part) < 8 or 0 not in part:
        return None
    even, odd = part[::2].count(0), part[1::2].count(0)
    least = len(part) // 2 * 0.6
    if odd >= least and even == 0:
        return Encoding("utf-16-le", guessed=True, broken=True)
    if even >= least and odd == 0:
        return Encoding("utf-16-be", guessed=True, broken=True)
    return None


def fits(data: bytes, name: str) -> bool:
    """Say whether data is valid in an encoding, to its last byte."""
    try:
        data.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _nearly_utf_8(sample: bytes) -> bool:
    """Say whether it is UTF-8 that was cut in the middle of a character here and there: none is by chance."""
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd") - sample.count(b"\xef\xbf\xbd")
    good = len(_FOREIGN.findall(text)) - bad
    return good >= 4 * bad or (bad == 1 and good >= 2 and text.endswith("\ufffd"))


def _text(sample: bytes, name: str) -> str | None:
    """Decode a sample; `None` where it is not in that encoding, but for a damaged character in a hundred."""
    text = sample.decode(name, "replace")
    bad = text.count("\ufffd")
    return text if bad == 0 or bad * 100 <= len(_FOREIGN.findall(text)) else None


def _odd_hans(gb: str) -> int:
    """Count Han characters alone between Latin letters: what Windows-1252 read as GB18030 has, and Chinese has not."""
    return len(_LONE_HAN.findall(gb)) + sum(_latin(found[0]) for found in _HAN_BESIDE.finditer(gb))


def _latin(han: str) -> bool:
    """Say whether the second byte of a Han character is a letter of ASCII: rare in Chinese, a rule in Windows-1252."""
    data = han.encode("gb18030", "replace")
    return len(data) == 2 and data[1] < 0x80


def _sure_of(sample: bytes) -> str | None:
    """Return the encoding that charset-normalizer proposes, where the text is made of what its readers write."""
    if sum(byte > 0x7F for byte in sample[:4096]) < _ENOUGH:  # half as many characters, of two bytes
        return None
    from charset_normalizer import from_bytes

    names = ["gb18030", "cp1252", *_SCRIPTS]
    for match in from_bytes(sample, cp_isolation=names, threshold=0.15):
        name = match.encoding
        if name in ("gb18030", "cp1252"):
            return name if name == "gb18030" else None
        # What cp949 adds to EUC-KR is rare, and where Shift-JIS has its kana.
        text = None if name == "cp949" and _text(sample, "euc_kr") is None else _text(sample, name)
        script, share, least = _SCRIPTS.get(name, (_HANS, 2.0, 0))
        foreign = 0 if text is None else len(_FOREIGN.findall(text))
        if text is not None and len(script.findall(text)) >= share * foreign:
            return name if foreign >= least else None
    return None
